//! Makes the Kotlin and Swift sides of the SDK out of its library. A tool of the build: nothing that ships is linked with it.

fn main() {
    uniffi::uniffi_bindgen_main();
}
