//! Files that hold secrets: readable by their owner only, and either wholly there or not there at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What to do with a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Fail with [`io::ErrorKind::AlreadyExists`] and leave it as it is.
    Keep,
    /// Put the new file in its place.
    Replace,
}

/// Writes `bytes` to `path` with mode 0600, so that after a power cut either the old state or the new file is found.
pub(crate) fn write(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    let (temporary, mut file) = temporary_beside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| match existing {
        // A link fails when the name is taken, where a rename would silently replace it.
        Existing::Keep => fs::hard_link(&temporary, path),
        Existing::Replace => fs::rename(&temporary, path),
    });
    if written.is_err() || existing == Existing::Keep {
        // After a hard link the temporary name is a second name of the same file; after an error it is rubbish.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_directory(path)
}

/// A new file in the same directory. A name that a process which died left behind is passed over: in a container every
/// process has the same id.
fn temporary_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut attempt = 0_u32;
    loop {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.new", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// The permission bits of `file` when someone else than its owner may read or write it.
pub(crate) fn exposed_mode(file: &File) -> io::Result<Option<u32>> {
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_readable_by_its_owner_only_and_leaves_nothing_else_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write(&path, b"one", Existing::Keep).unwrap();
        assert_eq!(exposed_mode(&File::open(&path).unwrap()).unwrap(), None);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        write(&path, b"two", Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_dead_process_left_behind_does_not_hinder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let (left_behind, _) = temporary_beside(&path).unwrap();
        write(&path, b"one", Existing::Keep).unwrap();
        assert!(left_behind.exists() && fs::read(&path).unwrap() == b"one");
    }

    #[test]
    fn a_file_that_is_there_is_kept_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write(&path, b"one", Existing::Keep).unwrap();
        let refused = write(&path, b"two", Existing::Keep).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
