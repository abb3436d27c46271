//! The curves: names, identifiers, sizes and, where AWS-LC does not know them by name, the domain parameters.
//!
//! Six of them carry keys, certificates and signatures ([`Curve::ALL`]). Five weaker ones exist for PACE with documents of
//! other issuers alone ([`Curve::STANDARDISED`]): no key or certificate on them is read, and no profile of ours offers them.

use crate::Hash;
use const_oid::ObjectIdentifier;
use tlv::oid;

/// A named curve: NIST P (FIPS 186-4, SEC 2) or brainpool (RFC 5639).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
    /// brainpoolP256r1.
    BrainpoolP256r1,
    /// brainpoolP384r1.
    BrainpoolP384r1,
    /// brainpoolP512r1.
    BrainpoolP512r1,
    /// secp192r1: PACE only.
    P192,
    /// brainpoolP192r1: PACE only.
    BrainpoolP192r1,
    /// secp224r1: PACE only.
    P224,
    /// brainpoolP224r1: PACE only.
    BrainpoolP224r1,
    /// brainpoolP320r1: PACE only.
    BrainpoolP320r1,
}

impl Curve {
    /// The curves of keys, certificates and signatures.
    pub const ALL: [Self; 6] = [
        Self::P256,
        Self::P384,
        Self::P521,
        Self::BrainpoolP256r1,
        Self::BrainpoolP384r1,
        Self::BrainpoolP512r1,
    ];

    /// Every curve of the standardised domain parameters (ICAO 9303-11 §9.5.1, numbers 8 to 18): what PACE may name.
    pub const STANDARDISED: [Self; 11] = [
        Self::P192,
        Self::BrainpoolP192r1,
        Self::P224,
        Self::BrainpoolP224r1,
        Self::P256,
        Self::BrainpoolP256r1,
        Self::BrainpoolP320r1,
        Self::P384,
        Self::BrainpoolP384r1,
        Self::BrainpoolP512r1,
        Self::P521,
    ];

    /// Bytes of one coordinate.
    pub const fn field_len(self) -> usize {
        match self {
            Self::P192 | Self::BrainpoolP192r1 => 24,
            Self::P224 | Self::BrainpoolP224r1 => 28,
            Self::P256 | Self::BrainpoolP256r1 => 32,
            Self::BrainpoolP320r1 => 40,
            Self::P384 | Self::BrainpoolP384r1 => 48,
            Self::BrainpoolP512r1 => 64,
            Self::P521 => 66,
        }
    }

    /// Bytes of one scalar: the order is as long as the field on each of these curves.
    pub const fn order_len(self) -> usize {
        self.field_len()
    }

    /// Bytes of an uncompressed point: 04, x, y.
    pub const fn point_len(self) -> usize {
        1 + 2 * self.field_len()
    }

    /// The object identifier (RFC 5480 §2.1.1.1, RFC 5639 §4).
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => oid::SECP256R1,
            Self::P384 => oid::SECP384R1,
            Self::P521 => oid::SECP521R1,
            Self::BrainpoolP256r1 => oid::BRAINPOOL_P256R1,
            Self::BrainpoolP384r1 => oid::BRAINPOOL_P384R1,
            Self::BrainpoolP512r1 => oid::BRAINPOOL_P512R1,
            Self::P192 => SECP192R1,
            Self::BrainpoolP192r1 => BRAINPOOL_P192R1_OID,
            Self::P224 => SECP224R1,
            Self::BrainpoolP224r1 => BRAINPOOL_P224R1_OID,
            Self::BrainpoolP320r1 => BRAINPOOL_P320R1_OID,
        }
    }

    /// The curve of keys and certificates with this object identifier; none for those that serve PACE alone.
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.oid() == oid)
    }

    /// ICAO 9303-11 §9.5.1, TR-03110-3 §A.2.1.1: identifier of the standardised domain parameters.
    pub const fn parameter_id(self) -> u8 {
        match self {
            Self::P192 => 8,
            Self::BrainpoolP192r1 => 9,
            Self::P224 => 10,
            Self::BrainpoolP224r1 => 11,
            Self::P256 => 12,
            Self::BrainpoolP256r1 => 13,
            Self::BrainpoolP320r1 => 14,
            Self::P384 => 15,
            Self::BrainpoolP384r1 => 16,
            Self::BrainpoolP512r1 => 17,
            Self::P521 => 18,
        }
    }

    /// The curve with this identifier of standardised domain parameters.
    pub fn from_parameter_id(id: u8) -> Option<Self> {
        Self::STANDARDISED.into_iter().find(|c| c.parameter_id() == id)
    }

    /// The hash of matching strength (TR-03116-2 §2.1: SHA-256, 384 and 512).
    pub const fn hash(self) -> Hash {
        match self {
            Self::P192 | Self::BrainpoolP192r1 | Self::P224 | Self::BrainpoolP224r1 => Hash::Sha256,
            Self::P256 | Self::BrainpoolP256r1 => Hash::Sha256,
            Self::BrainpoolP320r1 => Hash::Sha384,
            Self::P384 | Self::BrainpoolP384r1 => Hash::Sha384,
            Self::P521 | Self::BrainpoolP512r1 => Hash::Sha512,
        }
    }

    /// The name in SEC 2 and RFC 5639.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "secp256r1",
            Self::P384 => "secp384r1",
            Self::P521 => "secp521r1",
            Self::BrainpoolP256r1 => "brainpoolP256r1",
            Self::BrainpoolP384r1 => "brainpoolP384r1",
            Self::BrainpoolP512r1 => "brainpoolP512r1",
            Self::P192 => "secp192r1",
            Self::BrainpoolP192r1 => "brainpoolP192r1",
            Self::P224 => "secp224r1",
            Self::BrainpoolP224r1 => "brainpoolP224r1",
            Self::BrainpoolP320r1 => "brainpoolP320r1",
        }
    }

    /// The curve of keys and certificates with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The order of the group, big-endian, [`Self::order_len`] bytes.
    pub const fn order(self) -> &'static [u8] {
        self.parameters().n
    }

    /// The domain parameters, for formats that spell them out (TR-03111 §4.1.1).
    pub const fn parameters(self) -> DomainParameters {
        match self {
            Self::P256 => P256.parameters(),
            Self::P384 => P384.parameters(),
            Self::P521 => P521.parameters(),
            Self::BrainpoolP256r1 => BRAINPOOL_P256R1.parameters(),
            Self::BrainpoolP384r1 => BRAINPOOL_P384R1.parameters(),
            Self::BrainpoolP512r1 => BRAINPOOL_P512R1.parameters(),
            Self::P192 => SECP192R1_DOMAIN.parameters(),
            Self::BrainpoolP192r1 => BRAINPOOL_P192R1.parameters(),
            Self::P224 => P224.parameters(),
            Self::BrainpoolP224r1 => BRAINPOOL_P224R1.parameters(),
            Self::BrainpoolP320r1 => BRAINPOOL_P320R1.parameters(),
        }
    }

    /// Whether the point encoding of PACE's integrated mapping exists on this curve: p = 3 mod 4 (ICAO 9303-11 §B.1).
    /// Only secp224r1 lacks it.
    pub const fn has_point_encoding(self) -> bool {
        !matches!(self, Self::P224)
    }
}

impl std::fmt::Display for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

// RFC 5480 §2.1.1.1 and RFC 5639 §4.1: used to name the curve only, never to read a key.
const SECP192R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.1");
const SECP224R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.33");
const BRAINPOOL_P192R1_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.3");
const BRAINPOOL_P224R1_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.5");
const BRAINPOOL_P320R1_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.9");

/// Domain parameters of a curve y² = x³ + ax + b over the prime field p, with base point (x, y) of prime order n and
/// cofactor one. Big-endian numbers, each of the length of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainParameters {
    /// The prime.
    pub p: &'static [u8],
    /// The first coefficient.
    pub a: &'static [u8],
    /// The second coefficient.
    pub b: &'static [u8],
    /// The x-coordinate of the base point.
    pub x: &'static [u8],
    /// The y-coordinate of the base point.
    pub y: &'static [u8],
    /// The order of the base point.
    pub n: &'static [u8],
}

/// Domain parameters of a curve y² = x³ + ax + b over the prime field p, with base point (x, y) of prime order n.
pub(crate) struct Domain<const N: usize> {
    pub(crate) p: [u8; N],
    pub(crate) a: [u8; N],
    pub(crate) b: [u8; N],
    pub(crate) x: [u8; N],
    pub(crate) y: [u8; N],
    pub(crate) n: [u8; N],
}

impl<const N: usize> Domain<N> {
    const fn parameters(&'static self) -> DomainParameters {
        DomainParameters { p: &self.p, a: &self.a, b: &self.b, x: &self.x, y: &self.y, n: &self.n }
    }
}

/// Hexadecimal digits to bytes, at compile time.
const fn hex<const N: usize>(digits: &str) -> [u8; N] {
    const fn nibble(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            b'A'..=b'F' => c - b'A' + 10,
            _ => panic!("not an upper-case hexadecimal digit"),
        }
    }
    let digits = digits.as_bytes();
    assert!(digits.len() == 2 * N);
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]);
        i += 1;
    }
    out
}

// SEC 2 §2.3.2.
static P224: Domain<28> = Domain {
    p: hex("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000000000000000000000001"),
    a: hex("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFE"),
    b: hex("B4050A850C04B3ABF54132565044B0B7D7BFD8BA270B39432355FFB4"),
    x: hex("B70E0CBD6BB4BF7F321390B94A03C1D356C21122343280D6115C1D21"),
    y: hex("BD376388B5F723FB4C22DFE6CD4375A05A07476444D5819985007E34"),
    n: hex("FFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D"),
};
// SEC 2 §2.4.2.
static P256: Domain<32> = Domain {
    p: hex("FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF"),
    a: hex("FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC"),
    b: hex("5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B"),
    x: hex("6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"),
    y: hex("4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"),
    n: hex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"),
};
// SEC 2 §2.5.1.
static P384: Domain<48> = Domain {
    p: hex(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF",
    ),
    a: hex(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFC",
    ),
    b: hex(
        "B3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF",
    ),
    x: hex(
        "AA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7",
    ),
    y: hex(
        "3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F",
    ),
    n: hex(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
    ),
};
// SEC 2 §2.6.1.
static P521: Domain<66> = Domain {
    p: hex(
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
    ),
    a: hex(
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC",
    ),
    b: hex(
        "0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00",
    ),
    x: hex(
        "00C6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3DBAA14B5E77EFE75928FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66",
    ),
    y: hex(
        "011839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E662C97EE72995EF42640C550B9013FAD0761353C7086A272C24088BE94769FD16650",
    ),
    n: hex(
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
    ),
};

// RFC 5639 §3.4.
pub(crate) static BRAINPOOL_P256R1: Domain<32> = Domain {
    p: hex("A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377"),
    a: hex("7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9"),
    b: hex("26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6"),
    x: hex("8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262"),
    y: hex("547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997"),
    n: hex("A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7"),
};
// RFC 5639 §3.6.
pub(crate) static BRAINPOOL_P384R1: Domain<48> = Domain {
    p: hex(
        "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123ACD3A729901D1A71874700133107EC53",
    ),
    a: hex(
        "7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8C7DD22CE2826",
    ),
    b: hex(
        "04A8C7DD22CE28268B39B55416F0447C2FB77DE107DCD2A62E880EA53EEB62D57CB4390295DBC9943AB78696FA504C11",
    ),
    x: hex(
        "1D1C64F068CF45FFA2A63A81B7C13F6B8847A3E77EF14FE3DB7FCAFE0CBD10E8E826E03436D646AAEF87B2E247D4AF1E",
    ),
    y: hex(
        "8ABE1D7520F9C2A45CB1EB8E95CFD55262B70B29FEEC5864E19C054FF99129280E4646217791811142820341263C5315",
    ),
    n: hex(
        "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7CF3AB6AF6B7FC3103B883202E9046565",
    ),
};
// RFC 5639 §3.7.
pub(crate) static BRAINPOOL_P512R1: Domain<64> = Domain {
    p: hex(
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA703308717D4D9B009BC66842AECDA12AE6A380E62881FF2F2D82C68528AA6056583A48F3",
    ),
    a: hex(
        "7830A3318B603B89E2327145AC234CC594CBDD8D3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CA",
    ),
    b: hex(
        "3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CADC083E67984050B75EBAE5DD2809BD638016F723",
    ),
    x: hex(
        "81AEE4BDD82ED9645A21322E9C4C6A9385ED9F70B5D916C1B43B62EEF4D0098EFF3B1F78E2D0D48D50D1687B93B97D5F7C6D5047406A5E688B352209BCB9F822",
    ),
    y: hex(
        "7DDE385D566332ECC0EABFA9CF7822FDF209F70024A57B1AA000C55B881F8111B2DCDE494A5F485E5BCA4BD88A2763AED1CA2B2FA8F0540678CD1E0F3AD80892",
    ),
    n: hex(
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330870553E5C414CA92619418661197FAC10471DB1D381085DDADDB58796829CA90069",
    ),
};
// SEC 2 version 1.0 §2.5.2.
pub(crate) static SECP192R1_DOMAIN: Domain<24> = Domain {
    p: hex("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFFFFFFFF"),
    a: hex("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFFFFFFFC"),
    b: hex("64210519E59C80E70FA7E9AB72243049FEB8DEECC146B9B1"),
    x: hex("188DA80EB03090F67CBF20EB43A18800F4FF0AFD82FF1012"),
    y: hex("07192B95FFC8DA78631011ED6B24CDD573F977A11E794811"),
    n: hex("FFFFFFFFFFFFFFFFFFFFFFFF99DEF836146BC9B1B4D22831"),
};
// RFC 5639 §3.2.
pub(crate) static BRAINPOOL_P192R1: Domain<24> = Domain {
    p: hex("C302F41D932A36CDA7A3463093D18DB78FCE476DE1A86297"),
    a: hex("6A91174076B1E0E19C39C031FE8685C1CAE040E5C69A28EF"),
    b: hex("469A28EF7C28CCA3DC721D044F4496BCCA7EF4146FBF25C9"),
    x: hex("C0A0647EAAB6A48753B033C56CB0F0900A2F5C4853375FD6"),
    y: hex("14B690866ABD5BB88B5F4828C1490002E6773FA2FA299B8F"),
    n: hex("C302F41D932A36CDA7A3462F9E9E916B5BE8F1029AC4ACC1"),
};
// RFC 5639 §3.3.
pub(crate) static BRAINPOOL_P224R1: Domain<28> = Domain {
    p: hex("D7C134AA264366862A18302575D1D787B09F075797DA89F57EC8C0FF"),
    a: hex("68A5E62CA9CE6C1C299803A6C1530B514E182AD8B0042A59CAD29F43"),
    b: hex("2580F63CCFE44138870713B1A92369E33E2135D266DBB372386C400B"),
    x: hex("0D9029AD2C7E5CF4340823B2A87DC68C9E4CE3174C1E6EFDEE12C07D"),
    y: hex("58AA56F772C0726F24C6B89E4ECDAC24354B9E99CAA3F6D3761402CD"),
    n: hex("D7C134AA264366862A18302575D0FB98D116BC4B6DDEBCA3A5A7939F"),
};
// RFC 5639 §3.5.
pub(crate) static BRAINPOOL_P320R1: Domain<40> = Domain {
    p: hex("D35E472036BC4FB7E13C785ED201E065F98FCFA6F6F40DEF4F92B9EC7893EC28FCD412B1F1B32E27"),
    a: hex("3EE30B568FBAB0F883CCEBD46D3F3BB8A2A73513F5EB79DA66190EB085FFA9F492F375A97D860EB4"),
    b: hex("520883949DFDBC42D3AD198640688A6FE13F41349554B49ACC31DCCD884539816F5EB4AC8FB1F1A6"),
    x: hex("43BD7E9AFB53D8B85289BCC48EE5BFE6F20137D10A087EB6E7871E2A10A599C710AF8D0D39E20611"),
    y: hex("14FDD05545EC1CC8AB4093247F77275E0743FFED117182EAA9C77877AAAC6AC7D35245D1692E8EE1"),
    n: hex("D35E472036BC4FB7E13C785ED201E065F98FCFA5B68F12A32D482EC7EE8658E98691555B44C59311"),
};
