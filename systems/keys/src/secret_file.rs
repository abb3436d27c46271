//! Files that hold secrets: readable by their owner alone, and written whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use curve::{Random, SecretBytes};
use zeroize::Zeroizing;

use crate::{KeyError, Result};

/// Reads a secret (PIN, wrapping key) from a file that only its owner can read. White space at the end is not part of it.
pub fn read_secret_file(path: &Path) -> Result<SecretBytes> {
    let io = |error| KeyError::io(path, error);
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Mode(path.to_owned()));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
    file.take(LONGEST).read_to_end(&mut bytes).map_err(io)?;
    Ok(SecretBytes::new(bytes.trim_ascii_end()))
}

/// Makes a file with a secret of `length` random bytes written in hexadecimal, unless it is there already, and reads it.
pub fn create_secret_file(path: &Path, length: usize, random: &mut dyn Random) -> Result<SecretBytes> {
    if !path.exists() {
        let secret = SecretBytes::random(length, random);
        let mut text = Zeroizing::new(String::with_capacity(2 * length));
        for byte in secret.expose() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        write_atomically(path, text.as_bytes(), random)?;
    }
    read_secret_file(path)
}

/// Writes a file with mode 0600 that either is not there or is whole, also after a power cut, and never replaces one.
/// Returns false if a file of that name is there already, whose content stays.
pub fn write_atomically(path: &Path, content: &[u8], random: &mut dyn Random) -> Result<bool> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_directory(directory)?;
    let temporary = temporary_name(path, random);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        // Unlike a rename a link does not replace: of two writers one wins and the other hears of it.
        match std::fs::hard_link(&temporary, path) {
            Ok(()) => {
                File::open(directory)?.sync_all()?;
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    })();
    let _ = std::fs::remove_file(&temporary);
    written.map_err(|error| KeyError::io(path, error))
}

pub(crate) fn make_directory(directory: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| KeyError::io(directory, error))
}

fn temporary_name(path: &Path, random: &mut dyn Random) -> PathBuf {
    let mut number = [0; 8];
    random.fill(&mut number);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}.tmp", u64::from_be_bytes(number)));
    path.with_file_name(name)
}

const LONGEST: u64 = 4096;
