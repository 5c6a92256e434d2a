import java.util.Properties

plugins {
    alias(libs.plugins.android.library)
}

val bundle = Properties().apply { rootProject.file("bundle.properties").inputStream().use { load(it) } }

android {
    namespace = "io.github.cloformer.ort"
    compileSdk = libs.versions.compile.sdk.get().toInt()

    defaultConfig {
        minSdk = bundle.getProperty("minSdk").toInt()
        consumerProguardFiles("consumer-rules.pro")
        // Where the app runs the model; nothing is where the model was made for.
        buildConfigField("String", "PROVIDER", "\"${bundle.getProperty("provider", "")}\"")
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
    implementation(libs.onnxruntime)
}
