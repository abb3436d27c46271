//! The instruction bytes the chip knows.

use apdu::{Command, StatusWord};

/// One command of the card, by class and instruction byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Instruction {
    /// 00 A4.
    Select,
    /// 00 B0.
    ReadBinary,
    /// 00 B1.
    ReadBinaryOdd,
    /// 00 84.
    GetChallenge,
    /// 00 22.
    ManageSecurityEnvironment,
    /// 00 86.
    GeneralAuthenticate,
    /// 00 88.
    InternalAuthenticate,
    /// 00 20.
    Verify,
    /// 00 24.
    ChangeReferenceData,
    /// 00 2C, and 84 2C inside SCP03.
    ResetRetryCounter,
    /// 80 58.
    EnumerateObjects,
    /// 80 68.
    Sign,
    /// 80 62.
    Decipher,
    /// 80 CA, and 84 CA inside SCP03.
    GetData,
    /// 80 50.
    InitializeUpdate,
    /// 84 82.
    ExternalAuthenticate,
    /// 84 D8.
    PutKey,
    /// 84 30.
    Initialise,
    /// 84 32.
    BeginPersonalisation,
    /// 84 E2.
    StoreData,
    /// 84 34.
    Commit,
    /// 84 F0.
    SetStatus,
    /// 00 2A.
    VerifyCertificate,
    /// 00 82.
    AuthenticateTerminal,
    /// 80 20.
    VerifyAuxiliaryData,
    /// 8C E2, in the channel of a terminal that may write.
    StoreUpdate,
    /// 8C 34, in the channel of a terminal that may write.
    CommitUpdate,
    /// 00 82 in the clear.
    BasicAccessControl,
}

/// How a command is protected, as its class byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Not at all.
    Plain,
    /// Secure messaging of PACE.
    Channel,
    /// SCP03.
    Scp,
}

/// Reads the class byte.
// ISO/IEC 7816-4 §5.4.1; GlobalPlatform 2.3.1 §11.1.4.
pub(crate) fn protection(cla: u8) -> Result<Protection, StatusWord> {
    let interindustry = cla & 0xE0 == 0x00;
    let proprietary = cla & 0xF0 == 0x80;
    if !interindustry && !proprietary {
        return Err(StatusWord::CLA_NOT_SUPPORTED);
    }
    if cla & 0x03 != 0 {
        return Err(StatusWord::LOGICAL_CHANNEL_NOT_SUPPORTED);
    }
    match cla & 0x0C {
        0x00 => Ok(Protection::Plain),
        0x0C => Ok(Protection::Channel),
        0x04 if proprietary => Ok(Protection::Scp),
        _ => Err(StatusWord::SECURE_MESSAGING_NOT_SUPPORTED),
    }
}

impl Instruction {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 28] = [
        Self::Select,
        Self::ReadBinary,
        Self::ReadBinaryOdd,
        Self::GetChallenge,
        Self::ManageSecurityEnvironment,
        Self::GeneralAuthenticate,
        Self::InternalAuthenticate,
        Self::Verify,
        Self::ChangeReferenceData,
        Self::ResetRetryCounter,
        Self::EnumerateObjects,
        Self::Sign,
        Self::Decipher,
        Self::GetData,
        Self::InitializeUpdate,
        Self::ExternalAuthenticate,
        Self::PutKey,
        Self::Initialise,
        Self::BeginPersonalisation,
        Self::StoreData,
        Self::Commit,
        Self::SetStatus,
        Self::VerifyCertificate,
        Self::AuthenticateTerminal,
        Self::VerifyAuxiliaryData,
        Self::StoreUpdate,
        Self::CommitUpdate,
        Self::BasicAccessControl,
    ];

    /// The instruction of a command that came under this protection, which has been taken off.
    pub(crate) fn of(command: &Command, protection: Protection) -> Result<Self, StatusWord> {
        let scp = protection == Protection::Scp;
        Ok(match (command.cla & 0x80 != 0, command.ins) {
            (false, 0xA4) => Self::Select,
            (false, 0xB0) => Self::ReadBinary,
            (false, 0xB1) => Self::ReadBinaryOdd,
            (false, 0x84) => Self::GetChallenge,
            (false, 0x22) => Self::ManageSecurityEnvironment,
            (false, 0x86) => Self::GeneralAuthenticate,
            (false, 0x88) => Self::InternalAuthenticate,
            (false, 0x20) => Self::Verify,
            (false, 0x2A) => Self::VerifyCertificate,
            // ICAO 9303-11 §4.3 and TR-03110-3 §B.3 have given the same bytes a meaning each.
            (false, 0x82) if protection == Protection::Plain => Self::BasicAccessControl,
            (false, 0x82) => Self::AuthenticateTerminal,
            (false, 0x24) => Self::ChangeReferenceData,
            (false, 0x2C) => Self::ResetRetryCounter,
            (true, 0x20) => Self::VerifyAuxiliaryData,
            (true, 0x58) => Self::EnumerateObjects,
            (true, 0x68) => Self::Sign,
            (true, 0x62) => Self::Decipher,
            (true, 0xCA) => Self::GetData,
            (true, 0x50) => Self::InitializeUpdate,
            (true, 0x82) => Self::ExternalAuthenticate,
            (true, 0xD8) if scp => Self::PutKey,
            (true, 0x30) if scp => Self::Initialise,
            (true, 0x32) if scp => Self::BeginPersonalisation,
            (true, 0xE2) if scp => Self::StoreData,
            (true, 0x34) if scp => Self::Commit,
            (true, 0x2C) if scp => Self::ResetRetryCounter,
            (true, 0xF0) if scp => Self::SetStatus,
            (true, 0xE2) => Self::StoreUpdate,
            (true, 0x34) => Self::CommitUpdate,
            // Known, but only inside SCP03.
            (true, 0xD8 | 0x30 | 0x32 | 0x2C | 0xF0) => {
                return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
            }
            _ => return Err(StatusWord::INS_NOT_SUPPORTED),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_bytes() {
        for (cla, expected) in [
            (0x00, Ok(Protection::Plain)),
            (0x10, Ok(Protection::Plain)),
            (0x0C, Ok(Protection::Channel)),
            (0x1C, Ok(Protection::Channel)),
            (0x80, Ok(Protection::Plain)),
            (0x84, Ok(Protection::Scp)),
            (0x8C, Ok(Protection::Channel)),
            (0x01, Err(StatusWord::LOGICAL_CHANNEL_NOT_SUPPORTED)),
            (0x83, Err(StatusWord::LOGICAL_CHANNEL_NOT_SUPPORTED)),
            (0x04, Err(StatusWord::SECURE_MESSAGING_NOT_SUPPORTED)),
            (0x08, Err(StatusWord::SECURE_MESSAGING_NOT_SUPPORTED)),
            (0x20, Err(StatusWord::CLA_NOT_SUPPORTED)),
            (0x90, Err(StatusWord::CLA_NOT_SUPPORTED)),
            (0xFF, Err(StatusWord::CLA_NOT_SUPPORTED)),
        ] {
            assert_eq!(protection(cla), expected, "{cla:02X}");
        }
    }
}
