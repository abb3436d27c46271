//! Memory that was used once and is not needed again goes back to the machine.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// glibc's setting for the size from which a block is a mapping of its own, given back when freed (mallopt(3)).
const SETTING: &str = "MALLOC_MMAP_THRESHOLD_";
/// 256 KiB: decoded photos, drawn faces and the memory of Argon2 are larger, what a request needs is smaller.
const SIZE: &str = "262144";

/// Makes the allocator give large blocks back. Unless the setting is made, glibc raises it to 32 MiB as such blocks come and go,
/// and every thread's heap keeps some: a country that has just made its sample cards then holds 370 MB instead of 60. The
/// setting is read when a program starts, so this program takes its own place once, as the same process. Where that does
/// not succeed, it goes on as it is.
pub fn give_back() {
    if std::env::var_os(SETTING).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into());
        let _failed = Command::new(program).arg0(name).args(arguments).env(SETTING, SIZE).exec();
    }
}
