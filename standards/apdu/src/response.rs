//! Response APDUs (ISO/IEC 7816-4 §5.3).

use crate::StatusWord;

/// Data and status word of one response.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The data field, empty where there is none.
    pub data: Vec<u8>,
    /// The status word.
    pub sw: StatusWord,
}

impl Response {
    /// A response with data.
    pub fn new(data: impl Into<Vec<u8>>, sw: StatusWord) -> Self {
        Self { data: data.into(), sw }
    }

    /// A successful response with `data`.
    pub fn ok(data: impl Into<Vec<u8>>) -> Self {
        Self::new(data, StatusWord::OK)
    }

    /// Splits bytes into data and status word; `None` if there are fewer than two.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (data, sw) = bytes.split_last_chunk::<2>()?;
        Some(Self::new(data, StatusWord(u16::from_be_bytes(*sw))))
    }

    /// Data followed by the status word.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.data.len() + 2);
        out.extend_from_slice(&self.data);
        out.extend_from_slice(&self.sw.0.to_be_bytes());
        out
    }

    /// The data if the status word says success, the status word otherwise.
    pub fn into_ok(self) -> Result<Vec<u8>, StatusWord> {
        if self.sw.is_ok() { Ok(self.data) } else { Err(self.sw) }
    }
}

impl From<StatusWord> for Response {
    fn from(sw: StatusWord) -> Self {
        Self::new(Vec::new(), sw)
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Response({} bytes, {})", self.data.len(), self.sw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_data() {
        assert_eq!(format!("{:?}", Response::ok([0x12, 0x34])), "Response(2 bytes, 9000)");
    }

    #[test]
    fn less_than_a_status_word_is_no_response() {
        assert_eq!(Response::parse(&[0x90]), None);
        assert_eq!(Response::parse(&[0x90, 0]), Some(Response::ok([])));
    }
}
