//! PINs as people and scripts give them: from a file that only its owner can read, from standard input (one line each), or
//! typed without being shown. Never from the command line.

use crate::failure::{Failure, Fault};
use curve::SecretBytes;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// The longest line that is read as a PIN.
const LONGEST: usize = 256;

/// A PIN from `source`: `-` is the next line of standard input, anything else a file; without a source it is asked for at the
/// terminal, in these words.
pub fn pin(source: Option<&Path>, what_zh: &str, what_en: &str) -> Result<SecretBytes, Failure> {
    match source {
        Some(path) if path == Path::new("-") => line_of_stdin(),
        Some(path) => from_file(path),
        None => ask(what_zh, what_en),
    }
}

/// A new PIN; typed at the terminal it is asked for twice.
pub fn new_pin(source: Option<&Path>, what_zh: &str, what_en: &str) -> Result<SecretBytes, Failure> {
    let first = pin(source, what_zh, what_en)?;
    if source.is_some() {
        return Ok(first);
    }
    let again = ask(&format!("再輸入一次{what_zh}"), &format!("{what_en} once more"))?;
    if first.expose() == again.expose() {
        return Ok(first);
    }
    Err(Failure::new(
        "NEWEID-E-PIN-MISMATCH",
        Fault::Caller,
        "兩次輸入的新 PIN 不同；沒有變更。",
        "The new PIN was typed in two different ways; nothing was changed.",
        "再執行一次 Run the command again.",
    )
    .exit(2))
}

fn from_file(path: &Path) -> Result<SecretBytes, Failure> {
    keys::read_secret_file(path).map_err(|error| {
        Failure::new(
            "NEWEID-E-PIN-FILE",
            Fault::Caller,
            format!("無法讀取 PIN 檔案 {}：{error}", path.display()),
            format!("The file {} with the PIN cannot be read: {error}", path.display()),
            "檔案只能由擁有者讀取 The file must be readable by its owner alone: chmod 600 FILE",
        )
        .exit(2)
    })
}

fn line_of_stdin() -> Result<SecretBytes, Failure> {
    read_line(&mut std::io::stdin().lock())?.ok_or_else(missing)
}

fn ask(what_zh: &str, what_en: &str) -> Result<SecretBytes, Failure> {
    let Ok(mut terminal) = File::options().read(true).write(true).open("/dev/tty") else {
        return Err(missing());
    };
    write!(terminal, "{what_zh} {what_en}: ")?;
    terminal.flush()?;
    let hidden = Hidden::on(&terminal)?;
    let line = read_line(&mut BufReader::with_capacity(LONGEST, &terminal));
    drop(hidden);
    writeln!(terminal)?;
    line?.ok_or_else(missing)
}

fn read_line(source: &mut impl BufRead) -> Result<Option<SecretBytes>, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    // Byte by byte: a line that is too long must not be kept in parts.
    loop {
        let bytes = source.fill_buf()?;
        let Some(&byte) = bytes.first() else { break };
        source.consume(1);
        if byte == b'\n' {
            return Ok(Some(SecretBytes::new(line.trim_ascii_end())));
        }
        if line.len() < LONGEST {
            line.push(byte);
        }
    }
    Ok((!line.is_empty()).then(|| SecretBytes::new(line.trim_ascii_end())))
}

fn missing() -> Failure {
    Failure::new(
        "NEWEID-E-PIN-MISSING",
        Fault::Caller,
        "沒有提供 PIN，也沒有終端機可以輸入。",
        "No PIN was given and there is no terminal to ask for one.",
        "例 Example: --pin2 FILE，或 or --pin2 - < FILE",
    )
    .exit(2)
}

/// What the terminal was like before it was told not to show what is typed.
static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// While this lives the terminal does not show what is typed.
struct Hidden;

impl Hidden {
    fn on(terminal: &File) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON);
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some((terminal.try_clone()?, before));
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Lets the terminal show again what is typed, if it was told not to; also before the program ends in the middle of a question.
pub fn restore_terminal() {
    if let Some((terminal, before)) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use std::os::unix::fs::OpenOptionsExt;

    fn lines(text: &str) -> Vec<Vec<u8>> {
        let mut source = Cursor::new(text.as_bytes().to_vec());
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut source).expect("readable") {
            lines.push(line.expose().to_vec());
        }
        lines
    }

    #[test]
    fn one_line_is_one_pin() {
        assert_eq!(lines("12345678\n87654321\n"), [b"12345678", b"87654321"]);
        assert_eq!(lines("12345678\r\n"), [b"12345678"]);
        assert_eq!(lines("12345678"), [b"12345678"]);
        assert_eq!(lines("\n"), [b""]);
        assert!(lines("").is_empty());
        assert_eq!(lines(&"1".repeat(10_000))[0].len(), LONGEST);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str, mode| {
            let path = dir.path().join(name);
            let mut file =
                File::options().write(true).create(true).truncate(true).mode(mode).open(&path).expect("new");
            file.write_all(b"12345678\n").expect("writable");
            path
        };
        let own = pin(Some(&file("own", 0o600)), "", "").expect("readable");
        assert_eq!(own.expose(), b"12345678");
        let open = pin(Some(&file("open", 0o644)), "", "").expect_err("refused");
        assert_eq!(open.code, "NEWEID-E-PIN-FILE");
        assert!(!open.message.contains("12345678"));
    }
}
