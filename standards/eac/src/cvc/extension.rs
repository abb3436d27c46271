//! Certificate extensions (TR-03110-3 §C.3): what a certificate says beside holder, key and rights.

use std::fmt;
use std::ops::BitAnd;

use const_oid::ObjectIdentifier;
use tlv::{Reader, oid};

use super::chat::DISCRETIONARY_DATA;
use super::{CvcError, der};

/// Tag of the extensions.
pub(crate) const EXTENSIONS: u32 = 0x65;
const TEMPLATE: u32 = 0x73;
const OBJECT_IDENTIFIER: u32 = 0x06;
const FIRST: u32 = 0x80;
const SECOND: u32 = 0x81;
/// More than any certificate has use for.
const MAX_EXTENSIONS: usize = 8;
const MAX_OBJECTS: usize = 8;

/// The extensions of a certificate, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions(Vec<Extension>);

/// One extension: an identifier and the data objects that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// What the extension is.
    pub oid: ObjectIdentifier,
    /// Tags and values.
    pub objects: Vec<(u32, Vec<u8>)>,
}

impl Extension {
    /// The hash of the certificate description, made with the hash of the certificate's own key.
    // TR-03110-3 §C.3.1.
    pub fn description(hash: Vec<u8>) -> Self {
        Self { oid: oid::EXTENSION_DESCRIPTION, objects: vec![(FIRST, hash)] }
    }

    /// The hashes of one or two sector public keys, for Restricted Identification.
    // TR-03110-3 §C.3.2.
    pub fn sectors(first: Vec<u8>, second: Option<Vec<u8>>) -> Self {
        let mut objects = vec![(FIRST, first)];
        objects.extend(second.map(|hash| (SECOND, hash)));
        Self { oid: oid::EXTENSION_SECTOR, objects }
    }

    /// Which updatable fields may be written.
    pub fn updates(rights: UpdateRights) -> Self {
        Self {
            oid: oid::EXTENSION_UPDATE,
            objects: vec![(DISCRETIONARY_DATA, rights.0.to_be_bytes().to_vec())],
        }
    }

    fn object(&self, tag: u32) -> Option<&[u8]> {
        self.objects.iter().find(|(t, _)| *t == tag).map(|(_, value)| value.as_slice())
    }
}

impl Extensions {
    /// These extensions; none twice.
    pub fn new(extensions: Vec<Extension>) -> Result<Self, CvcError> {
        let twice =
            extensions.iter().enumerate().any(|(i, e)| extensions[..i].iter().any(|x| x.oid == e.oid));
        if twice || extensions.len() > MAX_EXTENSIONS {
            return Err(CvcError::Malformed(WHAT));
        }
        Ok(Self(extensions))
    }

    /// Reads the data object 65.
    pub fn parse(input: &[u8]) -> Result<Self, CvcError> {
        let mut reader = Reader::new(der::sole(input, EXTENSIONS, WHAT)?.value);
        let mut extensions = Vec::new();
        while !reader.is_empty() {
            let mut template = Reader::new(der::next(&mut reader, TEMPLATE, WHAT)?.value);
            let identifier = der::next(&mut template, OBJECT_IDENTIFIER, WHAT)?.value;
            let oid = ObjectIdentifier::from_bytes(identifier).map_err(|_| CvcError::Malformed(WHAT))?;
            let mut objects = Vec::new();
            while !template.is_empty() {
                let object = template.read().map_err(|_| CvcError::Malformed(WHAT))?;
                let object = der::strict(object, WHAT)?;
                objects.push((object.tag, object.value.to_vec()));
                if objects.len() > MAX_OBJECTS {
                    return Err(CvcError::Malformed(WHAT));
                }
            }
            extensions.push(Extension { oid, objects });
            if extensions.len() > MAX_EXTENSIONS {
                return Err(CvcError::Malformed(WHAT));
            }
        }
        // An absent object says the same in fewer bytes.
        if extensions.is_empty() { Err(CvcError::Malformed(WHAT)) } else { Self::new(extensions) }
    }

    /// The data object 65; nothing where there is no extension.
    pub fn encode(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let templates = self.0.iter().flat_map(|extension| {
            let mut value = tlv::encode_oid(extension.oid);
            value.extend(extension.objects.iter().flat_map(|(tag, value)| tlv::encode(*tag, value)));
            tlv::encode(TEMPLATE, &value)
        });
        tlv::encode(EXTENSIONS, &templates.collect::<Vec<u8>>())
    }

    /// The extensions one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Extension> {
        self.0.iter()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.0.iter().find(|extension| extension.oid == oid)
    }

    /// The hash of the certificate description.
    pub fn description_hash(&self) -> Option<&[u8]> {
        self.find(oid::EXTENSION_DESCRIPTION)?.object(FIRST)
    }

    /// The hashes of the sector public keys.
    pub fn sector_hashes(&self) -> (Option<&[u8]>, Option<&[u8]>) {
        let sectors = self.find(oid::EXTENSION_SECTOR);
        (sectors.and_then(|s| s.object(FIRST)), sectors.and_then(|s| s.object(SECOND)))
    }

    /// Which updatable fields may be written: none where the extension is absent or not of two bytes.
    pub fn update_rights(&self) -> UpdateRights {
        let bytes = self.find(oid::EXTENSION_UPDATE).and_then(|e| e.object(DISCRETIONARY_DATA));
        let bits = bytes.and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()).map_or(0, u16::from_be_bytes);
        UpdateRights(bits)
    }
}

/// Which fields of a New eID a terminal may write (UPDATE-02, OPEN-41): an authorisation extension of this project, since
/// the write bits of an authentication terminal (DG17 to DG22) are fewer than the updatable fields and mean other things.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UpdateRights(u16);

macro_rules! updates {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl UpdateRights {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
            /// Every right with its name.
            pub const NAMED: &[(&str, Self)] = &[$((stringify!($name), Self::$name)),*];
            /// All of them.
            pub const ALL: Self = Self(0 $(| 1 << $bit)*);
        }
    };
}

updates! {
    /// Household Zone: the neighbourhood.
    HOUSEHOLD = 0;
    /// Public Zone: registered address.
    ADDRESS = 1;
    /// Public Zone: military service category.
    MILITARY_SERVICE = 2;
    /// Encrypted Zone: name of the spouse.
    SPOUSE = 3;
    /// Encrypted Zone: name of the father.
    FATHER = 4;
    /// Encrypted Zone: name of the mother.
    MOTHER = 5;
    /// Encrypted Zone: place of birth.
    BIRTHPLACE = 6;
}

impl UpdateRights {
    /// No right.
    pub const NONE: Self = Self(0);

    /// The bits as a number.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The rights with these bits.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether every right of `other` is among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of these rights.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.iter().filter(move |(_, right)| self.contains(*right)).map(|(name, _)| *name)
    }
}

impl BitAnd for UpdateRights {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for UpdateRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpdateRights({:#x})", self.0)
    }
}

const WHAT: &str = "certificate extensions";
