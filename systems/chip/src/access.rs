//! Zones, interfaces, and what a reader must have shown before it may do something.

/// The two ways to reach the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interface {
    /// ISO/IEC 7816-3.
    Contact,
    /// ISO/IEC 14443.
    Contactless,
}

impl Interface {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Contact, Self::Contactless];
}

/// The four zones of the catalogue, the files of the card as a whole, and what no reader ever sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Zone {
    /// EF.CardAccess and the other files under the MF.
    Card = 0,
    /// Household Zone.
    Household = 1,
    /// Public Zone.
    Public = 2,
    /// Encrypted Zone.
    Encrypted = 3,
    /// Certificate Zone.
    Certificate = 4,
    /// Keys, PINs, life cycle.
    System = 5,
}

impl Zone {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Card, Self::Household, Self::Public, Self::Encrypted, Self::Certificate, Self::System];
}

/// What a reader must have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Nothing.
    Always,
    /// A secure channel, opened with any password, in which no terminal has been authenticated: afterwards whoever speaks may
    /// be far away, and has the rights of its certificate alone.
    Channel,
    /// The same, and an authenticated terminal too: for what the protocols themselves need.
    ChannelAlsoTerminal,
    /// A secure channel opened with the card access number or the MRZ, in which no terminal has been authenticated.
    AccessNumber,
    /// The same, and an authenticated terminal too: so it learns which document the chip belongs to.
    AccessNumberAlsoTerminal,
    /// A secure channel opened with PIN1, Terminal and Chip Authentication, and the right for the field.
    FieldRight,
    /// Terminal and Chip Authentication, whatever the rights of the terminal.
    Terminal,
    /// PIN2.
    Pin2,
    /// PIN2, and every command in a secure channel.
    Pin2InChannel,
    /// Nothing helps.
    Never,
}

impl Condition {
    /// The word for it in a profile and in the documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Channel => "channel",
            Self::ChannelAlsoTerminal => "channel-also-terminal",
            Self::AccessNumber => "access-number",
            Self::AccessNumberAlsoTerminal => "access-number-also-terminal",
            Self::FieldRight => "field-right",
            Self::Terminal => "terminal",
            Self::Pin2 => "pin2",
            Self::Pin2InChannel => "pin2-in-channel",
            Self::Never => "never",
        }
    }

    /// Whether `status` meets it.
    pub const fn is_met(self, status: SecurityStatus) -> bool {
        match self {
            Self::Always => true,
            Self::Channel => status.channel && !status.remote,
            Self::ChannelAlsoTerminal => status.channel,
            Self::AccessNumber => status.channel && status.access_number && !status.remote,
            Self::AccessNumberAlsoTerminal => status.channel && status.access_number,
            Self::FieldRight => status.channel && status.pin1 && status.field_right,
            Self::Terminal => status.channel && status.terminal,
            Self::Pin2 => status.pin2,
            Self::Pin2InChannel => status.pin2 && status.channel && !status.remote,
            Self::Never => false,
        }
    }

    /// Whether it asks for PIN2.
    pub const fn needs_pin2(self) -> bool {
        matches!(self, Self::Pin2 | Self::Pin2InChannel)
    }

    /// Whether whoever meets it has met `other` too: nobody reads more under it than under `other`.
    pub const fn implies(self, other: Self) -> bool {
        matches!(
            (self, other),
            (_, Self::Always)
                | (
                    Self::Channel | Self::AccessNumber | Self::Pin2InChannel,
                    Self::Channel | Self::ChannelAlsoTerminal
                )
                | (Self::AccessNumber, Self::AccessNumber)
                | (Self::Pin2 | Self::Pin2InChannel, Self::Pin2)
                | (Self::Pin2InChannel, Self::Pin2InChannel)
                | (Self::FieldRight, Self::FieldRight)
                | (Self::Never, Self::Never)
        )
    }

    /// The part of it that concerns the channel alone: what VERIFY needs before a PIN may even be sent.
    pub const fn channel_part(self) -> Self {
        match self {
            Self::Pin2 => Self::Always,
            Self::Pin2InChannel => Self::Channel,
            other => other,
        }
    }
}

/// What the reader has shown in this session. All of it ends with the channel; all of it ends with the power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecurityStatus {
    /// This command came through the secure channel.
    pub channel: bool,
    /// The channel, or the one it was opened in, proved the CAN or the MRZ.
    pub access_number: bool,
    /// The channel proved PIN1.
    pub pin1: bool,
    /// The terminal has proved its certificate's key: whoever sends the commands may be far away.
    pub remote: bool,
    /// The terminal has proved its certificate's key, and the chip its own: the channel is that of Chip Authentication.
    pub terminal: bool,
    /// The terminal, its certificates and the holder grant the field in question.
    pub field_right: bool,
    /// PIN2 was verified since the application was selected.
    pub pin2: bool,
}
