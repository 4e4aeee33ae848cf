//! Compiles the contract without protoc, with its comments as documentation: of each audience that is a feature of the build.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("bankhub");
    let mut files = Vec::new();
    for audience in sorted(root)? {
        let name = audience.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "common" || is_wanted(&name) {
            files.extend(sorted(&audience.join("v1"))?);
        }
    }
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let descriptors = compiler.file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    if is_wanted("descriptors") {
        std::fs::write(out.join("bankhub.bin"), compiler.encode_file_descriptor_set())?;
    }
    let generator = tonic_prost_build::configure().build_client(is_wanted("client")).build_server(is_wanted("server"));
    generator.build_transport(true).compile_fds(descriptors)?;
    Ok(())
}

/// Whether the feature is part of this build.
fn is_wanted(feature: &str) -> bool {
    std::env::var_os(format!("CARGO_FEATURE_{}", feature.to_uppercase())).is_some()
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort();
    Ok(paths)
}
