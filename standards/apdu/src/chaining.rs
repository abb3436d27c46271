//! Command chaining (ISO/IEC 7816-4 §5.3.3): bit 5 of CLA says that more parts follow.

use crate::{Command, StatusWord};

/// Bit of the class byte: this is not the last part of a chain.
const MORE: u8 = 0x10;

/// The receiving side of command chaining. Holds the parts of one command until the last one arrives.
#[derive(Default)]
pub struct Chain {
    started: Option<([u8; 4], Vec<u8>)>,
    limit: usize,
}

/// A chain was broken; the status word is the answer to give. Whatever had been collected is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainError(pub StatusWord);

impl Chain {
    /// Collects at most `limit` data bytes per chain.
    pub const fn new(limit: usize) -> Self {
        Self { started: None, limit }
    }

    /// Takes the next command as received. `Ok(None)`: it was a part, answer 9000 and wait. `Ok(Some(command))`: a whole
    /// command, with the chaining bit cleared and all data joined.
    pub fn push(&mut self, command: Command) -> Result<Option<Command>, ChainError> {
        let more = command.cla & 0x80 == 0 && command.cla & MORE != 0;
        let mut header = command.header();
        if command.cla & 0x80 == 0 {
            header[0] &= !MORE;
        }
        let mut data = match self.started.take() {
            None if !more => return Ok(Some(command)),
            None => Vec::new(),
            Some((first, data)) if first == header => data,
            // Another command inside a chain: the chain is void and so is this command.
            Some(_) => return Err(ChainError(StatusWord::LAST_COMMAND_EXPECTED)),
        };
        if data.len() + command.data.len() > self.limit {
            return Err(ChainError(StatusWord::WRONG_LENGTH));
        }
        data.extend_from_slice(&command.data);
        if more {
            self.started = Some((header, data));
            return Ok(None);
        }
        Ok(Some(Command { cla: header[0], data, ..command }))
    }

    /// Forgets a chain that was begun.
    pub fn reset(&mut self) {
        self.started = None;
    }
}

/// The sending side: splits a command into parts of at most `size` data bytes, all but the last with the chaining bit.
pub fn split(command: &Command, size: usize) -> Vec<Command> {
    if command.data.len() <= size || size == 0 {
        return vec![command.clone()];
    }
    let count = command.data.len().div_ceil(size);
    let part = |(i, data): (usize, &[u8])| {
        let last = i + 1 == count;
        Command {
            cla: if last { command.cla } else { command.cla | MORE },
            data: data.to_vec(),
            le: if last { command.le } else { None },
            ..*command
        }
    };
    command.data.chunks(size).enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(len: usize) -> Command {
        Command::new(0x00, 0x2A, 0, 0xBE).with_data(vec![7; len]).with_le(256)
    }

    #[test]
    fn parts_are_joined_again() {
        let mut chain = Chain::new(10_000);
        let parts = split(&command(700), 255);
        assert_eq!(parts.len(), 3);
        assert_eq!(chain.push(parts[0].clone()), Ok(None));
        assert_eq!(chain.push(parts[1].clone()), Ok(None));
        assert_eq!(chain.push(parts[2].clone()), Ok(Some(command(700))));
    }

    #[test]
    fn another_command_inside_a_chain_voids_it() {
        let mut chain = Chain::new(10_000);
        let parts = split(&command(700), 255);
        assert_eq!(chain.push(parts[0].clone()), Ok(None));
        let other = Command::new(0, 0xA4, 4, 0);
        assert_eq!(chain.push(other.clone()), Err(ChainError(StatusWord::LAST_COMMAND_EXPECTED)));
        assert_eq!(chain.push(other.clone()), Ok(Some(other)));
    }

    #[test]
    fn a_chain_without_end_stops_at_the_limit() {
        let mut chain = Chain::new(1_000);
        let part = Command::new(0x10, 0x2A, 0, 0xBE).with_data(vec![0; 255]);
        let answers: Vec<_> = (0..5).map(|_| chain.push(part.clone())).collect();
        assert_eq!(answers[3], Err(ChainError(StatusWord::WRONG_LENGTH)));
    }
}
