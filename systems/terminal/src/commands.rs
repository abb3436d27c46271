//! The commands a reader sends, one function each (ISO/IEC 7816-4 §7 and §11, ICAO 9303-10 §3.6). Sending is [`crate::Card`]'s.

use apdu::Command;

/// Application identifier of the public zone of the national profile.
pub const AID_PUBLIC: &[u8] = &[0xF0, 0x4E, 0x45, 0x49, 0x44, 0x50, 0x01];
/// Application identifier of the household zone.
pub const AID_HOUSEHOLD: &[u8] = &[0xF0, 0x4E, 0x45, 0x49, 0x44, 0x48, 0x01];
/// Application identifier of an eMRTD (ICAO 9303-10 §3.4.1).
pub const AID_EMRTD: &[u8] = &[0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01];
/// Application identifier of the certificate zone: the SmartCard-HSM profile.
pub const AID_CERTIFICATE: &[u8] = &[0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01];

/// The largest offset READ BINARY B0 can name.
pub const MAX_SHORT_OFFSET: usize = 0x7FFF;

/// SELECT the master file.
pub fn select_mf() -> Command {
    Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00])
}

/// SELECT an application by its identifier, without response data.
pub fn select_application(aid: &[u8]) -> Command {
    Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(aid)
}

/// SELECT an application and ask for its file control parameters.
pub fn select_application_fcp(aid: &[u8]) -> Command {
    Command::new(0x00, 0xA4, 0x04, 0x04).with_data(aid).with_le(256)
}

/// SELECT an elementary file of the current application, without response data.
pub fn select_file(fid: u16) -> Command {
    Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(fid.to_be_bytes())
}

/// READ BINARY of the file with a short identifier, from an offset of at most 255; the file becomes the current one.
pub fn read_binary_short_id(sfi: u8, offset: u8, le: u32) -> Command {
    Command::new(0x00, 0xB0, 0x80 | sfi, offset).with_le(le)
}

/// READ BINARY of the current file, from an offset of at most [`MAX_SHORT_OFFSET`].
pub fn read_binary(offset: u16, le: u32) -> Command {
    let [hi, lo] = offset.to_be_bytes();
    Command::new(0x00, 0xB0, hi & 0x7F, lo).with_le(le)
}

/// READ BINARY with odd instruction: offset in data object 54, answer in data object 53. `fid` 0 is the current file.
pub fn read_binary_odd(fid: u16, offset: u32, le: u32) -> Command {
    let [hi, lo] = fid.to_be_bytes();
    let bytes = offset.to_be_bytes();
    // ISO/IEC 7816-4 §11.2.2: the offset takes as many bytes as it needs; at least one.
    let skip = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    Command::new(0x00, 0xB1, hi, lo).with_data(tlv::encode(0x54, &bytes[skip..])).with_le(le)
}

/// GET RESPONSE: the `len` bytes a `61xx` announced.
pub fn get_response(len: u32) -> Command {
    Command::new(0x00, 0xC0, 0x00, 0x00).with_le(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_each_command() {
        for (command, bytes) in [
            (select_mf(), "00A4000C023F00"),
            (select_application(AID_EMRTD), "00A4040C07A0000002471001"),
            (select_file(0x011C), "00A4020C02011C"),
            (read_binary_short_id(0x1E, 0, 256), "00B09E0000"),
            (read_binary(0x7FFF, 1), "00B07FFF01"),
            (read_binary_odd(0, 0x8000, 256), "00B1000004540280000"),
            (read_binary_odd(0xCE01, 0, 256), "00B1CE010354010000"),
            (read_binary_odd(0, 0x01_0000, 65_536), "00B10000000005540301000"),
            (get_response(0x20), "00C0000020"),
        ] {
            let shown = hex::encode_upper(command.to_bytes());
            assert!(shown.starts_with(bytes), "{shown} {bytes}");
        }
    }
}
