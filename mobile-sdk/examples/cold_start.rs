//! How long an app that was not running takes to the first page of purchases: `measure` runs it, each time as a new process.
//!
//! ```text
//! cold_start enrol FOLDER ENDPOINT AUTHORITY NUMBER CODE     binds a new phone, which lives in the folder
//! cold_start page FOLDER ENDPOINT AUTHORITY                  prints microseconds to the phone and to the page, its length, where it came from
//! ```
#![allow(clippy::print_stdout, reason = "what it measures is its output")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bankhub_mobile::{DeviceKey, Language, Phone, PhoneBuilder, SecureStore, SoftwareDeviceKey, StoreError};

/// A secure store that a process leaves behind for the next, as a platform's does.
#[derive(Debug)]
struct FileStore(PathBuf);

#[async_trait::async_trait]
impl SecureStore for FileStore {
    async fn get(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(fs::read(self.0.join(name)).ok())
    }

    async fn put(&self, name: String, value: Vec<u8>) -> Result<(), StoreError> {
        fs::write(self.0.join(name), value).map_err(|_| StoreError::Failed)
    }

    async fn remove(&self, name: String) -> Result<(), StoreError> {
        fs::remove_file(self.0.join(name)).map_err(|_| StoreError::Failed)
    }
}

async fn phone(folder: &Path, endpoint: &str, authority: &str) -> Result<Arc<Phone>, Box<dyn Error>> {
    let key: Arc<dyn DeviceKey> = SoftwareDeviceKey::from_pkcs8(fs::read(folder.join("key"))?)?;
    let store: Arc<dyn SecureStore> = Arc::new(FileStore(folder.join("store")));
    let builder = PhoneBuilder::new()
        .hub(endpoint.to_owned())
        .authority(fs::read_to_string(authority)?)
        .data_folder(folder.join("data").display().to_string())
        .language(Language::English)
        .device_key(key)
        .secure_store(store);
    Ok(builder.build().await?)
}

async fn enrol(folder: &Path, endpoint: &str, authority: &str, who: [&String; 2]) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder.join("store"))?;
    fs::write(folder.join("key"), SoftwareDeviceKey::generate()?.export_for_tests())?;
    let [number, code] = who;
    phone(folder, endpoint, authority).await?.enrol(number.clone(), code.clone(), None).await?;
    Ok(())
}

async fn page(began: Instant, folder: &Path, endpoint: &str, authority: &str) -> Result<(), Box<dyn Error>> {
    let phone = phone(folder, endpoint, authority).await?;
    let built = began.elapsed();
    let page = phone.payments(None, 0, None).await?;
    let shown = began.elapsed();
    let from = if page.freshness.is_cached { "cache" } else { "hub" };
    println!("{} {} {} {from}", built.as_micros(), shown.as_micros(), page.purchases.len());
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "it measures")]
fn main() -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().collect::<Vec<_>>().as_slice() {
        [verb, folder, endpoint, authority, number, code] if *verb == "enrol" => {
            runtime.block_on(enrol(Path::new(folder), endpoint, authority, [number, code]))
        }
        [verb, folder, endpoint, authority] if *verb == "page" => {
            runtime.block_on(page(began, Path::new(folder), endpoint, authority))
        }
        _ => Err("see the head of this file".into()),
    }
}
