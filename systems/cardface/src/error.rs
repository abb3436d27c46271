//! What can keep a face from being printed. No message repeats personal data.

/// The caller's data first, then the environment, then us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No font has a glyph for a character of a field.
    #[error("no font has a glyph for a character of {field}; install the packages of the CNS 11643 fonts")]
    NoGlyph {
        /// The field.
        field: &'static str,
    },
    /// The portrait is not a JPEG that can be decoded.
    #[error("the portrait is not a JPEG that can be decoded")]
    Portrait,
    /// A number that cannot be a barcode of the width there is.
    #[error("{0} cannot be written as a barcode")]
    Barcode(&'static str),
    /// The record contradicts what the face needs.
    #[error("the record has no valid {0}")]
    Record(&'static str),
    /// A resolution outside 72 to 1200 dots per inch.
    #[error("resolution must be 72 to 1200 dots per inch")]
    Resolution,
    /// A font the layout cannot do without is not in the directories.
    #[error("no font for {role} found; on Debian: apt install {package}")]
    Font {
        /// What the font is for.
        role: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The renderer refused our own drawing.
    #[error("rendering failed: {0}")]
    Render(&'static str),
}
