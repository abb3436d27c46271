//! The card's end of vsmartcard's virtual reader `vpcd`: a TCP connection over which pcscd powers, resets and talks to
//! a card. Every message is a 16-bit big-endian length and that many bytes; one-byte messages are control codes.
//!
//! Without TCP_QUICKACK every APDU waits some 40 ms for the delayed acknowledgement of the other side; with it a round
//! trip takes a tenth of a millisecond. Linux clears the option by itself, so it is set again before every read.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Port of vpcd's first slot (`Virtual PCD 00 00`), used for the contact side.
pub const CONTACT_PORT: u16 = 35963;
/// Port of vpcd's second slot, used for the contactless side.
pub const CONTACTLESS_PORT: u16 = 35964;

/// What a virtual reader does with the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Power removed.
    PowerOff,
    /// Power applied; no answer.
    PowerOn,
    /// Warm reset; no answer.
    Reset,
    /// The answer to reset is asked for.
    Atr,
    /// A command APDU.
    Apdu(Vec<u8>),
}

/// A connection to one slot of vpcd.
pub struct Slot {
    stream: TcpStream,
    out: Vec<u8>,
}

impl Slot {
    /// Connects to a slot, which pcscd sees as a card being inserted.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(3))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, out: Vec::new() })
    }

    /// Whether the reader says something within `patience`: a reader that holds another card does not.
    pub fn is_felt(&self, patience: Duration) -> io::Result<bool> {
        self.stream.set_read_timeout(Some(patience))?;
        let felt = match self.stream.peek(&mut [0]) {
            Ok(_) => true,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                false
            }
            Err(error) => return Err(error),
        };
        self.stream.set_read_timeout(None)?;
        Ok(felt)
    }

    /// Waits for the next request. An end of file is the reader going away.
    pub fn receive(&mut self) -> io::Result<Request> {
        let mut length = [0; 2];
        self.quick_ack()?;
        self.stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.quick_ack()?;
        self.stream.read_exact(&mut message)?;
        Ok(match *message {
            [0] => Request::PowerOff,
            [1] => Request::PowerOn,
            [2] => Request::Reset,
            [4] => Request::Atr,
            _ => Request::Apdu(message),
        })
    }

    /// Answers a request; length and bytes leave in one write.
    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.out.clear();
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(message);
        self.stream.write_all(&self.out)
    }

    fn quick_ack(&self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_tcp_quickack(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn control_codes_and_apdus_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut slot = Slot::connect(listener.local_addr().expect("bound")).expect("listening");
        let (mut reader, _) = listener.accept().expect("connected");
        assert!(!slot.is_felt(Duration::from_millis(10)).expect("connected"));
        reader.write_all(&[0, 1, 1, 0, 1, 4, 0, 5, 0, 0xA4, 0, 0x0C, 0]).expect("connected");
        assert!(slot.is_felt(Duration::from_secs(5)).expect("connected"));
        assert_eq!(slot.receive().expect("a message"), Request::PowerOn);
        assert_eq!(slot.receive().expect("a message"), Request::Atr);
        slot.send(&[0x3B, 0x80]).expect("connected");
        let mut atr = [0; 4];
        reader.read_exact(&mut atr).expect("an answer");
        assert_eq!(atr, [0, 2, 0x3B, 0x80]);
        assert_eq!(slot.receive().expect("a message"), Request::Apdu(vec![0, 0xA4, 0, 0x0C, 0]));
        drop(reader);
        assert_eq!(slot.receive().map_err(|e| e.kind()), Err(io::ErrorKind::UnexpectedEof));
    }
}
