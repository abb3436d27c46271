//! Standard output. Whoever reads it may leave before the end (`neweid card list | head -1`): that is no fault, and what
//! was asked for is still done. Output that cannot be written for another reason (a full disk) is a failure.

use crate::failure::Failure;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints a line; see [`say!`].
pub fn line(text: Arguments<'_>) {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = Failure::from(error).report(false);
            std::process::exit(1);
        }
        _ => {}
    }
}

/// `println!` that does not mind a reader who has left.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::console::line(format_args!($($text)*))
    };
}
