import java.util.Properties

plugins {
    alias(libs.plugins.android.library)
}

val bundle = Properties().apply { rootProject.file("bundle.properties").inputStream().use { load(it) } }

android {
    namespace = "io.github.cloformer.classifier"
    compileSdk = libs.versions.compile.sdk.get().toInt()

    defaultConfig {
        minSdk = bundle.getProperty("minSdk").toInt()
    }

    compileOptions {
        sourceCompatibility = JavaVersion.toVersion(libs.versions.java.get())
        targetCompatibility = JavaVersion.toVersion(libs.versions.java.get())
    }
}

dependencies {
    api(project(":core"))
}
