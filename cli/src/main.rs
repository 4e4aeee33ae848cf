//! The binary `bankhub`; everything is in the library of the same name.

/// Sets of rows are many small allocations; this allocator makes them cheaper than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    bankhub::main()
}
