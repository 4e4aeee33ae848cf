// An Android library only because the SDK is one; no class of Android's is named here.
plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "bankhub.demo"
    compileSdk = libs.versions.compileSdk.get().toInt()
    defaultConfig { minSdk = libs.versions.minSdk.get().toInt() }
    testOptions.unitTests.all { it.useJUnitPlatform() }
}

kotlin {
    jvmToolchain(17)
    compilerOptions { allWarningsAsErrors = true }
}

dependencies {
    api(project(":sdk"))
    testImplementation(libs.coroutines.test)
    testImplementation(libs.junit)
    testRuntimeOnly(libs.junit.launcher)
}
