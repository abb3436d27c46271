//! What can go wrong, sorted by who is at fault.

use apdu::StatusWord;

use crate::cvc::CvcError;

/// Why a protocol run ended. Whatever it is, the run is over and its secrets are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // The peer's fault.
    /// The card refused a step with this status word.
    #[error("the card refused {step} with {sw}")]
    Refused {
        /// The step that was refused.
        step: Step,
        /// Its answer.
        sw: StatusWord,
    },
    /// The peer does not know the password: its authentication token is wrong.
    #[error("wrong password")]
    WrongPassword {
        /// How many tries are left, where the card says so.
        tries_left: Option<u8>,
    },
    /// The card accepted our token but its own is wrong: it is not the card that knows the password.
    #[error("the card's authentication token is wrong")]
    CardToken,
    /// A data object is missing, doubled or of the wrong length.
    #[error("malformed data in {0}")]
    Malformed(Step),
    /// A public key that is no point of the curve, or the point at infinity.
    #[error("invalid public key in {0}")]
    InvalidPoint(Step),
    /// The peer sent our own public key back.
    #[error("the peer reflected our public key in {0}")]
    SameKey(Step),
    /// What the chip sent for chip authentication mapping does not belong to the public key.
    #[error("the chip does not have the key of EF.CardSecurity")]
    ChipProof,
    /// The signature over the challenge does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// A certificate of the terminal that is not accepted.
    #[error("certificate: {0}")]
    Certificate(#[from] CvcError),
    /// A key, certificate or challenge that was not announced, asked for or imported before.
    #[error("{0} refers to something that is not there")]
    NotFound(Step),
    /// A step that is out of its order, or a right that the holder did not grant.
    #[error("the conditions of {0} are not fulfilled")]
    Conditions(Step),
    /// The public key of Chip Authentication is not the one Terminal Authentication announced.
    #[error("another key than Terminal Authentication announced")]
    AnotherKey,
    /// A structure that is not the DER its standard asks for.
    #[error("malformed encoding: {0}")]
    Encoding(#[from] tlv::Error),

    // The caller's fault.
    /// An algorithm, curve or mapping that is not implemented here.
    #[error("unsupported algorithm")]
    Unsupported,
    /// A password that its kind does not allow, such as an empty one.
    #[error("not a possible password")]
    Password,

    // Ours.
    /// The cryptographic library failed.
    #[error("cryptographic operation failed")]
    Crypto,
}

/// A step of PACE or of another protocol, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// MSE:Set AT.
    SetAuthenticationTemplate,
    /// PACE step 1: the encrypted nonce.
    Nonce,
    /// PACE step 2: the mapping keys.
    Mapping,
    /// PACE step 3: the ephemeral keys.
    KeyAgreement,
    /// PACE step 4: the authentication tokens.
    Token,
    /// INTERNAL AUTHENTICATE.
    InternalAuthenticate,
    /// MSE:Set DST.
    SetDigitalSignatureTemplate,
    /// PSO:Verify Certificate.
    VerifyCertificate,
    /// GET CHALLENGE of Terminal Authentication or Basic Access Control.
    GetChallenge,
    /// EXTERNAL AUTHENTICATE of Terminal Authentication.
    ExternalAuthenticate,
    /// GENERAL AUTHENTICATE of Chip Authentication.
    ChipAuthentication,
    /// GENERAL AUTHENTICATE of Restricted Identification.
    RestrictedIdentification,
    /// VERIFY of auxiliary data.
    AuxiliaryData,
    /// EXTERNAL AUTHENTICATE of Basic Access Control.
    MutualAuthenticate,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SetAuthenticationTemplate => "MSE:Set AT",
            Self::Nonce => "PACE step 1 (nonce)",
            Self::Mapping => "PACE step 2 (mapping)",
            Self::KeyAgreement => "PACE step 3 (key agreement)",
            Self::Token => "PACE step 4 (token)",
            Self::InternalAuthenticate => "INTERNAL AUTHENTICATE",
            Self::SetDigitalSignatureTemplate => "MSE:Set DST",
            Self::VerifyCertificate => "PSO:Verify Certificate",
            Self::GetChallenge => "GET CHALLENGE",
            Self::ExternalAuthenticate => "EXTERNAL AUTHENTICATE",
            Self::ChipAuthentication => "Chip Authentication",
            Self::RestrictedIdentification => "Restricted Identification",
            Self::AuxiliaryData => "VERIFY (auxiliary data)",
            Self::MutualAuthenticate => "EXTERNAL AUTHENTICATE (BAC)",
        })
    }
}

impl Error {
    /// What a chip answers when its side of a protocol ends with this error.
    // TR-03110-3 §B.11.1 (MSE:Set AT): 6A80 algorithm not supported. §B.1.2 (GENERAL AUTHENTICATE): 6300 wrong token, 6A80
    // wrong data. §B.11.2-6 (Terminal Authentication): 6A88 where a reference is not known, 6300 where a certificate or
    // signature is not accepted, 6A80 where it is malformed.
    pub const fn status_word(&self) -> StatusWord {
        match self {
            Self::WrongPassword { tries_left: Some(n) } => StatusWord::tries_left(*n),
            Self::WrongPassword { tries_left: None } => StatusWord::AUTHENTICATION_FAILED,
            Self::Signature => StatusWord::AUTHENTICATION_FAILED,
            Self::Certificate(CvcError::UnknownIssuer) | Self::NotFound(_) => {
                StatusWord::REFERENCED_DATA_NOT_FOUND
            }
            Self::Certificate(
                CvcError::Malformed(_) | CvcError::TooLong | CvcError::Profile(_) | CvcError::UnsupportedKey,
            ) => StatusWord::WRONG_DATA,
            Self::Certificate(_) => StatusWord::AUTHENTICATION_FAILED,
            Self::Conditions(_) => StatusWord::CONDITIONS_NOT_SATISFIED,
            Self::Crypto => StatusWord::UNKNOWN,
            Self::Refused { sw, .. } => *sw,
            _ => StatusWord::WRONG_DATA,
        }
    }
}
