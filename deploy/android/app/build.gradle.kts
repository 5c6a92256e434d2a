import java.util.Properties

plugins {
    alias(libs.plugins.android.application)
}

val bundle = Properties().apply { rootProject.file("bundle.properties").inputStream().use { load(it) } }

android {
    namespace = "io.github.cloformer.app"
    compileSdk = libs.versions.compile.sdk.get().toInt()

    defaultConfig {
        applicationId = bundle.getProperty("applicationId")
        minSdk = bundle.getProperty("minSdk").toInt()
        targetSdk = libs.versions.target.sdk.get().toInt()
        versionCode = 1
        versionName = "1.0"
        ndk {
            abiFilters += bundle.getProperty("abis").split(",") // processors that the runtime has libraries for
        }
        manifestPlaceholders["appName"] = bundle.getProperty("appName")
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"))
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.toVersion(libs.versions.java.get())
        targetCompatibility = JavaVersion.toVersion(libs.versions.java.get())
    }

    androidResources {
        // Weights do not get smaller, and are read without being unpacked first.
        noCompress += listOf("onnx", "tflite", "pte")
    }

    packaging {
        jniLibs {
            useLegacyPackaging = false // stored and aligned, as phones with pages of 16 KB need it
        }
    }
}

dependencies {
    implementation(project(":" + bundle.getProperty("runtime")))
    androidTestImplementation(libs.junit)
    androidTestImplementation(libs.androidx.test.runner)
    androidTestImplementation(libs.androidx.test.junit)
}
