import java.util.Properties

plugins {
    alias(libs.plugins.android.library)
}

val bundle = Properties().apply { rootProject.file("bundle.properties").inputStream().use { load(it) } }

android {
    namespace = "io.github.cloformer.litert"
    compileSdk = libs.versions.compile.sdk.get().toInt()

    defaultConfig {
        minSdk = bundle.getProperty("minSdk").toInt()
        consumerProguardFiles("consumer-rules.pro")
        // The library does not say which version it is, and reports do.
        buildConfigField("String", "RUNTIME_VERSION", "\"${libs.versions.litert.get()}\"")
    }

    buildFeatures {
        buildConfig = true
    }

    compileOptions {
        sourceCompatibility = JavaVersion.toVersion(libs.versions.java.get())
        targetCompatibility = JavaVersion.toVersion(libs.versions.java.get())
    }
}

dependencies {
    api(project(":classifier"))
    implementation(libs.litert)
}
