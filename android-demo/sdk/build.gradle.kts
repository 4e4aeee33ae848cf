// The SDK as an Android library: the sources of mobile-sdk/kotlin, bindings made by the build, and the Rust library for each ABI.
plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

val repository = rootDir.parentFile
val bindings = layout.buildDirectory.dir("generated/uniffi")
val natives = layout.buildDirectory.dir("generated/jniLibs")

android {
    namespace = "bankhub.sdk"
    compileSdk = libs.versions.compileSdk.get().toInt()
    ndkVersion = libs.versions.ndk.get()
    defaultConfig {
        minSdk = libs.versions.minSdk.get().toInt()
        consumerProguardFiles("consumer-rules.pro")
    }
    sourceSets["main"].kotlin.srcDirs(repository.resolve("mobile-sdk/kotlin/src/main/kotlin"), bindings)
    sourceSets["main"].jniLibs.srcDir(natives)
}

kotlin { jvmToolchain(17) }

// The linker is told of pages of 16 KiB also where an older NDK is set.
val cargoNdk = tasks.register<Exec>("cargoNdk") {
    workingDir = repository
    environment("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384")
    environment("ANDROID_NDK_HOME", androidComponents.sdkComponents.ndkDirectory.get().asFile.path)
    val abis = listOf("arm64-v8a", "armeabi-v7a", "x86_64").flatMap { listOf("--target", it) }
    val platform = listOf("--platform", libs.versions.minSdk.get(), "--output-dir", natives.get().asFile.path)
    commandLine(listOf("cargo", "ndk") + abis + platform + listOf("build", "--package", "mobile-sdk", "--features", "bindings", "--profile", "dist"))
    outputs.dir(natives)
    outputs.upToDateWhen { false }
}

// The bindings are read out of a library of the machine that builds.
val cargoHost = tasks.register<Exec>("cargoHost") {
    workingDir = repository
    commandLine("cargo", "build", "--package", "mobile-sdk", "--package", "bankhub-bindgen")
}

val uniffi = tasks.register<Exec>("uniffi") {
    dependsOn(cargoHost)
    workingDir = repository
    val library = if (System.getProperty("os.name").startsWith("Mac")) "libbankhub_mobile.dylib" else "libbankhub_mobile.so"
    commandLine(
        "target/debug/bankhub-bindgen", "generate", "--config", "mobile-sdk/bindings.toml", "--language", "kotlin", "--no-format",
        "--out-dir", bindings.get().asFile.path, "target/debug/$library",
    )
    outputs.dir(bindings)
}

tasks.named("preBuild") { dependsOn(cargoNdk, uniffi) }

dependencies {
    api(libs.coroutines.core)
    api(libs.jna) { artifact { type = "aar" } }
}
