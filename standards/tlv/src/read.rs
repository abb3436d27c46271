//! Reading: a cursor over concatenated data objects that borrows from its input.

use crate::Error;

/// One data object: tag, value, and the whole encoding it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The tag with all its bytes, most significant first: `0x7F49`, `0x5F37`, `0x30`.
    pub tag: u32,
    /// The value field.
    pub value: &'a [u8],
    /// Tag, length and value as they stood in the input.
    pub raw: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The data objects inside a constructed value.
    pub fn children(&self) -> Reader<'a> {
        Reader::new(self.value)
    }

    /// The first child with `tag`, or `None`. Malformed children end the search.
    pub fn child(&self, tag: u32) -> Option<Tlv<'a>> {
        find(self.value, tag)
    }
}

/// A cursor over concatenated data objects. As an iterator it yields an error once and then ends.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `input`.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next data object without reading it, or `None` at the end or at a malformed tag.
    pub fn peek_tag(&self) -> Option<u32> {
        tag(self.rest).ok().map(|(tag, _)| tag)
    }

    /// Reads the next data object, whatever its tag.
    pub fn read(&mut self) -> Result<Tlv<'a>, Error> {
        let (tlv, rest) = read_one(self.rest)?;
        self.rest = rest;
        Ok(tlv)
    }

    /// Reads the next data object, which must have `tag`.
    pub fn expect(&mut self, tag: u32) -> Result<Tlv<'a>, Error> {
        let (tlv, rest) = read_one(self.rest)?;
        if tlv.tag != tag {
            return Err(Error::Unexpected { expected: tag, found: tlv.tag });
        }
        self.rest = rest;
        Ok(tlv)
    }

    /// Reads the next data object if it has `tag`; leaves the cursor where it is otherwise.
    pub fn optional(&mut self, tag: u32) -> Result<Option<Tlv<'a>>, Error> {
        if self.peek_tag() == Some(tag) { self.read().map(Some) } else { Ok(None) }
    }

    /// Fails unless everything has been read.
    pub fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::Trailing(self.rest.len())) }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Tlv<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.read();
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

/// Reads one data object and returns it with what follows.
pub fn read_one(input: &[u8]) -> Result<(Tlv<'_>, &[u8]), Error> {
    let (tag, tag_len) = tag(input)?;
    let (len, len_len) = length(&input[tag_len..])?;
    let start = tag_len + len_len;
    let end = start.checked_add(len).ok_or(Error::Length)?;
    let value = input.get(start..end).ok_or(Error::Truncated)?;
    Ok((Tlv { tag, value, raw: &input[..end] }, &input[end..]))
}

/// Reads one data object that must have `tag` and must end the input.
pub fn expect(input: &[u8], tag: u32) -> Result<Tlv<'_>, Error> {
    let mut reader = Reader::new(input);
    let tlv = reader.expect(tag)?;
    reader.finish()?;
    Ok(tlv)
}

/// Reads all concatenated data objects of `input`.
pub fn read_all(input: &[u8]) -> Result<Vec<Tlv<'_>>, Error> {
    Reader::new(input).collect()
}

/// The first data object with `tag` among the concatenated ones of `input`, or `None`.
pub fn find(input: &[u8], tag: u32) -> Option<Tlv<'_>> {
    Reader::new(input).map_while(Result::ok).find(|tlv| tlv.tag == tag)
}

// ISO/IEC 7816-4 §5.2.2.1: tag fields of one, two or three bytes.
fn tag(input: &[u8]) -> Result<(u32, usize), Error> {
    let first = *input.first().ok_or(Error::Truncated)?;
    if first & 0x1F != 0x1F {
        return Ok((u32::from(first), 1));
    }
    let second = *input.get(1).ok_or(Error::Truncated)?;
    let two = u32::from(first) << 8 | u32::from(second);
    if second & 0x80 == 0 {
        return Ok((two, 2));
    }
    let third = *input.get(2).ok_or(Error::Truncated)?;
    if third & 0x80 != 0 {
        return Err(Error::Tag);
    }
    Ok((two << 8 | u32::from(third), 3))
}

// ISO/IEC 7816-4 §5.2.2.2: length fields of one to five bytes; 80 (indefinite) is not used on cards.
fn length(input: &[u8]) -> Result<(usize, usize), Error> {
    let first = *input.first().ok_or(Error::Truncated)?;
    if first < 0x80 {
        return Ok((usize::from(first), 1));
    }
    let count = usize::from(first & 0x7F);
    if count == 0 || count > 4 {
        return Err(Error::Length);
    }
    let bytes = input.get(1..=count).ok_or(Error::Truncated)?;
    let len = bytes.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
    Ok((usize::try_from(len).map_err(|_| Error::Length)?, 1 + count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_of_one_two_and_three_bytes() {
        let input = [0x04, 1, 0xAA, 0x7F, 0x49, 0, 0x5F, 0x81, 0x01, 1, 0xBB];
        let tags: Vec<u32> = read_all(&input).expect("well formed").iter().map(|t| t.tag).collect();
        assert_eq!(tags, [0x04, 0x7F49, 0x5F8101]);
    }

    #[test]
    fn truncated_input_is_told_apart_from_malformed_input() {
        assert_eq!(read_one(&[]), Err(Error::Truncated));
        assert_eq!(read_one(&[0x04]), Err(Error::Truncated));
        assert_eq!(read_one(&[0x04, 2, 0]), Err(Error::Truncated));
        assert_eq!(read_one(&[0x04, 0x80]), Err(Error::Length));
        assert_eq!(read_one(&[0x04, 0x85, 0, 0, 0, 0, 0]), Err(Error::Length));
        assert_eq!(read_one(&[0x1F, 0x81, 0x81, 0]), Err(Error::Tag));
        assert_eq!(read_one(&[0x04, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), Err(Error::Truncated));
    }

    #[test]
    fn optional_leaves_the_cursor_where_it_is() {
        let mut reader = Reader::new(&[0x04, 0]);
        assert_eq!(reader.optional(0x05), Ok(None));
        assert!(reader.optional(0x04).expect("well formed").is_some());
        assert_eq!(reader.finish(), Ok(()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in prop::collection::vec(any::<u8>(), 0..70_000), tag in prop::sample::select(vec![0x04u32, 0x30, 0x7F49, 0x5F2D, 0x5F8101])) {
            let encoded = crate::encode(tag, &value);
            let (tlv, rest) = read_one(&encoded).expect("own encoding");
            prop_assert_eq!((tlv.tag, tlv.value, rest.len()), (tag, value.as_slice(), 0));
        }

        #[test]
        fn arbitrary_input_never_panics(input in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_all(&input);
        }
    }
}
