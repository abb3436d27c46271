//! Command APDUs (ISO/IEC 7816-4 §5.2): cases 1 to 4, short and extended.

/// One command. `le` is the number of expected response bytes, 256 or 65,536 for "as many as there are" in short or
/// extended form, `None` for no response data.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Class byte.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// First parameter byte.
    pub p1: u8,
    /// Second parameter byte.
    pub p2: u8,
    /// Command data, at most 65,535 bytes, empty where there is none.
    pub data: Vec<u8>,
    /// Expected length: 1 to 65,536.
    pub le: Option<u32>,
    /// Written in extended form even where the short form would do; set by the parser for an extended command.
    pub extended: bool,
}

/// Why bytes are no command APDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Fewer than the four header bytes.
    #[error("command APDU is shorter than its header")]
    Header,
    /// Lc and the number of data bytes do not agree.
    #[error("command APDU has a wrong Lc or Le")]
    Length,
}

impl Command {
    /// A case 1 command: neither data nor expected response.
    pub const fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Self { cla, ins, p1, p2, data: Vec::new(), le: None, extended: false }
    }

    /// The same command with `data`.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }

    /// The same command with an expected length of 1 to 65,536 bytes.
    #[must_use]
    pub const fn with_le(mut self, le: u32) -> Self {
        self.le = Some(le);
        self
    }

    /// The same command written in extended form.
    #[must_use]
    pub const fn in_extended_form(mut self) -> Self {
        self.extended = true;
        self
    }

    /// The four header bytes.
    pub const fn header(&self) -> [u8; 4] {
        [self.cla, self.ins, self.p1, self.p2]
    }

    /// Whether this command is, or has to be, written in extended form.
    pub fn is_extended(&self) -> bool {
        self.extended || self.data.len() > 255 || self.le.is_some_and(|le| le > 256)
    }

    /// The encoding: short where everything fits and extended form was not asked for.
    pub fn to_bytes(&self) -> Vec<u8> {
        let extended = self.is_extended();
        let mut out = Vec::with_capacity(self.data.len() + 9);
        out.extend_from_slice(&self.header());
        if !self.data.is_empty() {
            if extended {
                out.push(0);
                out.extend_from_slice(&(self.data.len() as u16).to_be_bytes());
            } else {
                out.push(self.data.len() as u8);
            }
            out.extend_from_slice(&self.data);
        }
        if let Some(le) = self.le {
            // A full Le is written as zero: 256 as 00, 65,536 as 0000.
            if !extended {
                out.push(le as u8);
            } else {
                if self.data.is_empty() {
                    out.push(0);
                }
                out.extend_from_slice(&(le as u16).to_be_bytes());
            }
        }
        out
    }

    /// Reads one command APDU.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let Some((&[cla, ins, p1, p2], body)) = bytes.split_first_chunk::<4>() else {
            return Err(ParseError::Header);
        };
        let mut command = Self::new(cla, ins, p1, p2);
        match *body {
            [] => {}
            [le] => command.le = Some(short_le(le)),
            [0, hi, lo] => {
                command.extended = true;
                command.le = Some(extended_le([hi, lo]));
            }
            [0, hi, lo, ref rest @ ..] if !rest.is_empty() => {
                command.extended = true;
                let lc = usize::from(u16::from_be_bytes([hi, lo]));
                if lc == 0 {
                    return Err(ParseError::Length);
                }
                let (data, le) = rest.split_at_checked(lc).ok_or(ParseError::Length)?;
                command.data = data.to_vec();
                command.le = match *le {
                    [] => None,
                    [hi, lo] => Some(extended_le([hi, lo])),
                    _ => return Err(ParseError::Length),
                };
            }
            [lc, ref rest @ ..] => {
                let (data, le) = rest.split_at_checked(usize::from(lc)).ok_or(ParseError::Length)?;
                if lc == 0 {
                    return Err(ParseError::Length);
                }
                command.data = data.to_vec();
                command.le = match *le {
                    [] => None,
                    [le] => Some(short_le(le)),
                    _ => return Err(ParseError::Length),
                };
            }
        }
        Ok(command)
    }
}

fn short_le(le: u8) -> u32 {
    if le == 0 { 256 } else { u32::from(le) }
}

fn extended_le(le: [u8; 2]) -> u32 {
    match u16::from_be_bytes(le) {
        0 => 65_536,
        n => u32::from(n),
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [cla, ins, p1, p2] = self.header();
        write!(
            f,
            "Command({cla:02X} {ins:02X} {p1:02X} {p2:02X}, {} data bytes, Le {:?})",
            self.data.len(),
            self.le
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn debug_never_shows_the_data() {
        let command = Command::new(0, 0x20, 0, 0x81).with_data(*b"12345678");
        assert_eq!(format!("{command:?}"), "Command(00 20 00 81, 8 data bytes, Le None)");
    }

    #[test]
    fn the_four_cases_in_both_forms() {
        for (bytes, lc, le) in [
            (&[0, 0xA4, 0, 0][..], 0, None),
            (&[0, 0xB0, 0, 0, 0], 0, Some(256)),
            (&[0, 0xB0, 0, 0, 0, 0, 0], 0, Some(65_536)),
            (&[0, 0xA4, 0, 0, 2, 0x3F, 0], 2, None),
            (&[0, 0xA4, 0, 0, 2, 0x3F, 0, 0], 2, Some(256)),
            (&[0, 0xA4, 0, 0, 0, 0, 2, 0x3F, 0], 2, None),
            (&[0, 0xA4, 0, 0, 0, 0, 2, 0x3F, 0, 1, 0], 2, Some(256)),
        ] {
            let command = Command::parse(bytes).expect("well formed");
            assert_eq!((command.data.len(), command.le), (lc, le));
            assert_eq!(command.to_bytes(), bytes);
        }
    }

    #[test]
    fn wrong_lengths_are_refused() {
        assert_eq!(Command::parse(&[0, 0xA4, 0]), Err(ParseError::Header));
        for bytes in
            [&[0, 0xA4, 0, 0, 3, 0x3F][..], &[0, 0xA4, 0, 0, 1, 2, 3, 4], &[0, 0xA4, 0, 0, 0, 0, 9, 1]]
        {
            assert_eq!(Command::parse(bytes), Err(ParseError::Length));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(header in any::<[u8; 4]>(), data in prop::collection::vec(any::<u8>(), 0..600), le in prop::option::of(1u32..=65_536)) {
            let mut command = Command::new(header[0], header[1], header[2], header[3]).with_data(data);
            command.le = le;
            command.extended = command.is_extended();
            prop_assert_eq!(Command::parse(&command.to_bytes()), Ok(command));
        }

        #[test]
        fn arbitrary_input_never_panics(input in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Command::parse(&input);
        }
    }
}
