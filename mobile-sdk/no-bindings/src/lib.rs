//! Stands in the place of UniFFI's macros where no bindings are made, under the same names: what they mark stays as it is written.
//!
//! So the SDK is plain Rust to programs in Rust, and links nothing of UniFFI.

use proc_macro::TokenStream;

#[proc_macro_derive(Record, attributes(uniffi))]
pub fn record(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

#[proc_macro_derive(Enum, attributes(uniffi))]
pub fn enumeration(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

#[proc_macro_derive(Object, attributes(uniffi))]
pub fn object(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

#[proc_macro_derive(Error, attributes(uniffi))]
pub fn error(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

#[proc_macro_attribute]
pub fn export(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

#[proc_macro_attribute]
pub fn constructor(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

#[proc_macro_attribute]
pub fn method(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}
