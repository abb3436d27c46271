//! SIGINT and SIGTERM end a command in order. SIGHUP is left alone: `nohup` relies on it.

use crate::failure::{Failure, Fault};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The wish of a person or administrator that the command ends. It is noticed from the moment this is made.
pub struct Interruption {
    interrupt: Signal,
    terminate: Signal,
}

impl Interruption {
    /// From now on the signals no longer end the process by themselves.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for either.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What a command says that was ended before it was done.
pub fn interrupted() -> Failure {
    Failure::new(
        "NEWEID-E-INTERRUPTED",
        Fault::Caller,
        "已中斷；已開始的工作會在下次啟動時繼續。",
        "Interrupted; what was begun goes on when the country is started again.",
        "再執行一次 Run the command again.",
    )
    .exit(130)
}

/// What a command says that was ended while it worked with a card.
pub fn card_interrupted() -> Failure {
    Failure::new(
        "NEWEID-E-INTERRUPTED",
        Fault::Caller,
        "已中斷；卡片未受影響，可以繼續使用。",
        "Interrupted between two commands; the card was reset and can be used on.",
        "再執行一次 Run the command again.",
    )
    .exit(130)
}
