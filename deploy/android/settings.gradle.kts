import java.util.Properties

pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "cloformer"

val bundle = Properties().apply { rootDir.resolve("bundle.properties").inputStream().use { load(it) } }

include(":core", ":classifier", ":app", ":" + bundle.getProperty("runtime"))
