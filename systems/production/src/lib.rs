//! The card centre (製卡中心): stock, key changeover, initialisation, personalisation, quality control, dispatch.
//!
//! Management sees the trait [`CardCentre`]; [`Centre`] implements it on a database, a directory of virtual cards and
//! card machines that speak to each card over its channel. Blanks come from the [`Manufacturer`], which we play.
//!
//! What the centre may know: serials, orders, offices. Personal data reaches it in one sealed [`Package`] a card, is kept
//! under a key of that order, and is destroyed with the key when the card is packed or scrapped (PRODUCTION-36).
//!
//! Left out in this version: rooms and roles, consumables, calibration, monitoring; the machines are virtual.

mod books;
mod centre;
mod chip_types;
mod error;
mod face_features;
mod key_risk;
mod keys;
mod machine;
mod manufacturer;
mod orders;
mod package;
mod portrait;
mod quality;
mod schema;
mod selection;
mod serials;
mod shelf;
mod stock;
mod system;
mod work;

pub use books::StockKind;
pub use centre::{CardCentre, Order, OrderClass, OrderNo, PairedCard, Report, ReportKind, Roster};
/// The interfaces of a card put into a reader with [`Centre::reader`].
pub use chip::{InProcessChannel, Interface};
pub use chip_types::{
    Applet, CardMake, Certification, CertifiedPart, ChipTypeEntry, Hardware, RegisteredChip, RiskProposal,
    chip_type_of,
};
pub use error::{EXPLAINED, ProductionError};
pub use face_features::{Answers, FaceFeature, Finding, face_features};
pub use key_risk::{KeyAssessment, KeyRisk};
pub use manufacturer::{Delivery, LotCard, LotOrder, Manufacturer, TransportShare};
pub use package::Package;
pub use portrait::is_one_picture;
pub use selection::MakeCriteria;
pub use serials::{SERIES_SIZE, SerialNumbers};
pub use shelf::Shelf;
pub use stock::{Counts, Stocktake};
pub use system::{Centre, CentreConfig};
