//! What a check can say when it does not pass: a stable code, whose fault it is, the cause and what to do, in Traditional
//! Chinese first and in English. The golden list is docs/errors-terminal.md. No text holds personal data.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The person who holds the card.
    Holder,
    /// The person or program that reads it.
    Reader,
    /// The card, or whoever made or changed it.
    Card,
    /// The issuing authority.
    Issuer,
    /// Reader device, driver, cable.
    Environment,
}

impl Fault {
    /// The word in both languages.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Holder => ("持卡人", "holder"),
            Self::Reader => ("讀卡端", "reader"),
            Self::Card => ("卡片", "card"),
            Self::Issuer => ("發卡機關", "issuer"),
            Self::Environment => ("環境", "environment"),
        }
    }
}

/// One line for each kind, so that code, fault, words and golden list cannot drift apart.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $code:literal $fault:ident
        [$zh:literal, $en:literal] [$zh_do:literal, $en_do:literal])+) => {
        /// Why a check did not pass.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])* $name,)+
        }

        impl Refusal {
            /// Every kind, in the order of the golden list.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Who can mend it.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)+ }
            }

            /// Whether PIN1 was refused, or is in no state to be tried.
            pub const fn is_of_pin1(self) -> bool {
                matches!(
                    self,
                    Self::Pin1Wrong
                        | Self::Pin1Suspended
                        | Self::Pin1Blocked
                        | Self::Pin1NotSet
                        | Self::Pin1Absent
                        | Self::Pin1Form
                )
            }

            /// The cause, Traditional Chinese and English.
            pub const fn cause(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($zh, $en),)+ }
            }

            /// What to do, Traditional Chinese and English.
            pub const fn remedy(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($zh_do, $en_do),)+ }
            }
        }
    };
}

refusals! {
    // --- the way to the card
    /// No answer from the card.
    CardGone "TERMINAL-E-CARD-GONE" Environment
        ["卡片未回應或已被移除。", "The card does not answer or was taken out."]
        ["請將卡片放好後重新讀取，讀取完成前請勿移動。", "Put the card in place and read again; do not move it until reading has ended."]
    /// The reader failed.
    ReaderFailed "TERMINAL-E-READER" Environment
        ["讀卡機發生錯誤。", "The card reader failed."]
        ["請重新連接讀卡機後再試。", "Connect the reader again and retry."]
    /// An answer that no card should give.
    CardAnswer "TERMINAL-E-CARD-ANSWER" Card
        ["卡片的回應不符合標準。", "The card gave an answer that no standard allows."]
        ["請再試一次；仍失敗時請換用其他讀卡機，或洽發卡機關。", "Try again; if it fails again, try another reader or ask the issuer."]
    /// A refusal without a name of its own.
    CardRefused "TERMINAL-E-CARD" Card
        ["卡片拒絕執行指令。", "The card refused a command."]
        ["請以 --trace 查看是哪一個指令，並與 docs/card-commands.md 對照。", "See with --trace which command it was, and compare with docs/card-commands.md."]
    // --- the secure channel
    /// No EF.CardAccess.
    NoCardAccess "TERMINAL-E-NO-CARD-ACCESS" Card
        ["卡片沒有 EF.CardAccess，不支援 PACE。", "The card has no EF.CardAccess: it does not offer PACE."]
        ["請確認放入的是 New eID 或支援 PACE 的旅行證件。", "Check that it is a New eID or a travel document with PACE."]
    /// No parameters we know.
    PaceUnsupported "TERMINAL-E-PACE-UNSUPPORTED" Reader
        ["卡片提供的 PACE 參數均不受支援。", "None of the PACE parameters the card offers is supported."]
        ["請更新讀卡程式。", "Update the reading program."]
    /// The CAN or MRZ is wrong.
    WrongPassword "TERMINAL-E-WRONG-PASSWORD" Holder
        ["讀取碼（CAN）或 MRZ 不正確。", "The card access number or the MRZ is wrong."]
        ["請核對卡面所印的讀取碼（證件序號末 6 碼）後重新輸入。", "Compare with the number printed on the card (the last six digits of its serial number) and type it again."]
    /// The password is suspended or blocked.
    PasswordBlocked "TERMINAL-E-PASSWORD-BLOCKED" Holder
        ["此密碼目前無法使用（未設定、暫停或鎖定）。", "This password cannot be used now (not set, suspended or blocked)."]
        ["請改用讀取碼，或依規定辦理解鎖。", "Use the card access number, or have the password unblocked."]
    /// PACE failed otherwise.
    PaceFailed "TERMINAL-E-PACE" Card
        ["無法與卡片建立安全通道。", "The secure channel to the card could not be opened."]
        ["請再試一次；仍失敗時請洽發卡機關。", "Try again; if it fails again, ask the issuer."]
    /// The channel broke.
    ChannelBroken "TERMINAL-E-CHANNEL-BROKEN" Card
        ["安全通道中斷：卡片的回應未通過完整性檢查。", "The secure channel broke: an answer failed its integrity check."]
        ["請再試一次；若仍發生，通訊可能遭到竄改。", "Try again; if it happens again, somebody may be interfering."]
    /// EF.CardAccess is not what the issuer signed.
    CardAccessAltered "TERMINAL-E-CARD-ACCESS" Card
        ["EF.CardAccess 與經簽章的內容不符，安全通道參數可能遭降級。", "EF.CardAccess is not what the issuer signed: somebody may have weakened the secure channel."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the card, and report it to the issuer."]
    // --- PINs
    /// Wrong PIN1.
    Pin1Wrong "TERMINAL-E-PIN1-WRONG" Holder
        ["PIN1 錯誤。", "PIN1 is wrong."]
        ["請確認後再輸入；連續錯 3 次即鎖定，最後一次之前須先輸入讀取碼。", "Check it and type it again; three wrong ones in a row block it, and before the last one the access number is needed."]
    /// One try left: the access number first.
    Pin1Suspended "TERMINAL-E-PIN1-SUSPENDED" Holder
        ["PIN1 已暫停，只剩 1 次。", "PIN1 is suspended: one try is left."]
        ["請加上讀取碼（--can）證明卡片在手，再輸入 PIN1。", "Give the access number too (--can), which shows that the card is at hand, then PIN1."]
    /// PIN1 is blocked.
    Pin1Blocked "TERMINAL-E-PIN1-BLOCKED" Holder
        ["PIN1 已鎖定。", "PIN1 is blocked."]
        ["請以用戶代碼線上或臨櫃辦理解鎖。", "Have it unblocked with the user code, online or at an office."]
    /// PIN1 is not set.
    Pin1NotSet "TERMINAL-E-PIN1-NOT-SET" Holder
        ["尚未設定 PIN1，加密區不能讀取。", "PIN1 has not been set: the encrypted zone is closed."]
        ["請以用戶代碼線上或臨櫃設定。", "Set it with the user code, online or at an office."]
    /// Not a possible PIN1.
    Pin1Form "TERMINAL-E-PIN1-FORM" Holder
        ["PIN1 須為 6 位數字；未送至卡片，不計次。", "PIN1 has six digits; it was not sent to the card and no try was counted."]
        ["請重新輸入。", "Type it again."]
    /// PIN1 does not exist here.
    Pin1Absent "TERMINAL-E-PIN1-ABSENT" Reader
        ["此介面沒有 PIN1；PIN1 只用於接觸式介面。", "There is no PIN1 on this interface: it exists on the contact interface only."]
        ["請改用接觸式讀卡機。", "Use a contact reader."]
    /// Wrong PIN2.
    Pin2Wrong "TERMINAL-E-PIN2-WRONG" Holder
        ["PIN2 錯誤。", "PIN2 is wrong."]
        ["請確認後再輸入；連續錯 3 次即鎖定。", "Check it and type it again; three wrong ones in a row block it."]
    /// PIN2 is blocked.
    Pin2Blocked "TERMINAL-E-PIN2-BLOCKED" Holder
        ["PIN2 已鎖定。", "PIN2 is blocked."]
        ["請以用戶代碼線上或臨櫃辦理解鎖。", "Have it unblocked with the user code, online or at an office."]
    /// PIN2 is not set.
    Pin2NotSet "TERMINAL-E-PIN2-NOT-SET" Holder
        ["尚未設定 PIN2，憑證區不能使用。", "PIN2 has not been set: the certificate zone cannot be used."]
        ["請以用戶代碼線上或臨櫃設定。", "Set it with the user code, online or at an office."]
    /// Not a possible PIN2.
    Pin2Form "TERMINAL-E-PIN2-FORM" Holder
        ["PIN2 須為 8 至 12 位數字；未送至卡片，不計次。", "PIN2 has 8 to 12 digits; it was not sent to the card and no try was counted."]
        ["請重新輸入。", "Type it again."]
    /// PIN2 must be verified first.
    Pin2Required "TERMINAL-E-PIN2-REQUIRED" Reader
        ["使用私鑰前須先驗證 PIN2。", "PIN2 must be verified before a private key is used."]
        ["請提供 PIN2（--pin2）。", "Give PIN2 (--pin2)."]
    // --- the certificate zone
    /// Closed, absent here, or in need of the secure channel.
    ZoneClosed "TERMINAL-E-ZONE-CLOSED" Reader
        ["無法使用憑證區：未開通、此介面沒有，或須先以讀取碼開啟安全通道。", "The certificate zone cannot be used: it is closed, absent on this interface, or needs a secure channel first."]
        ["請用接觸式讀卡機並提供讀取碼（--can）；申辦時未選憑證的卡片沒有憑證區。", "Use a contact reader and give the access number (--can); a card without certificates has no such zone."]
    /// No such key or certificate.
    KeyAbsent "TERMINAL-E-KEY-ABSENT" Holder
        ["卡片沒有此金鑰，或其憑證欄位是空的。", "The card has no such key, or its certificate slot is empty."]
        ["請以 neweid cert list 查看卡片上的憑證。", "See with neweid cert list which certificates the card has."]
    /// The input does not fit the key.
    KeyInput "TERMINAL-E-KEY-INPUT" Reader
        ["輸入資料不適用於此金鑰：不是給這張卡片的，或已毀損。", "The input does not fit the key: it was not made for this card, or is damaged."]
        ["請確認資料是以這張卡片的憑證加密。", "Check that it was enciphered to the certificate of this card."]
    /// A result that no such key gives.
    KeyOutput "TERMINAL-E-KEY-OUTPUT" Card
        ["卡片的運算結果不正確：金鑰與憑證不符，或晶片故障。", "The card's result is wrong: key and certificate do not belong together, or the chip is faulty."]
        ["請勿使用該結果；請洽發卡機關。", "Do not use the result; ask the issuer."]
    // --- files
    /// No public zone.
    NoPublicZone "TERMINAL-E-NO-PUBLIC-ZONE" Card
        ["卡片沒有公開區，也沒有旅行證件應用程式。", "The card has neither a public zone nor a travel document application."]
        ["請確認放入的卡片。", "Check which card it is."]
    /// A file that must be there cannot be read.
    FileUnreadable "TERMINAL-E-FILE" Card
        ["應有的檔案無法讀取。", "A file that must be there cannot be read."]
        ["請再試一次；仍失敗時請洽發卡機關。", "Try again; if it fails again, ask the issuer."]
    /// A data group the security object lists is absent.
    GroupMissing "TERMINAL-E-GROUP-MISSING" Card
        ["安全物件所列的資料群組無法讀取。", "A data group that the security object lists cannot be read."]
        ["資料不完整，請勿採信；請洽發卡機關。", "The data are incomplete: do not rely on them; ask the issuer."]
    /// A data group does not decode.
    GroupMalformed "TERMINAL-E-GROUP-MALFORMED" Card
        ["資料群組的格式不正確。", "A data group is malformed."]
        ["請勿採信其內容；請洽發卡機關。", "Do not rely on its content; ask the issuer."]
    // --- passive authentication
    /// No EF.SOD.
    NoSecurityObject "TERMINAL-E-NO-SOD" Card
        ["卡片沒有安全物件（EF.SOD），資料未經簽章。", "The card has no security object (EF.SOD): its data are not signed."]
        ["請勿採信。", "Do not rely on the data."]
    /// EF.SOD does not decode.
    SecurityObjectMalformed "TERMINAL-E-SOD-MALFORMED" Card
        ["安全物件（EF.SOD）的格式不正確。", "The security object (EF.SOD) is malformed."]
        ["請勿採信。", "Do not rely on the data."]
    /// The signature is wrong.
    SignatureInvalid "TERMINAL-E-SIGNATURE" Card
        ["數位簽章不正確，資料已遭竄改或並非發卡機關所簽。", "The signature is wrong: the data were changed, or the issuer did not sign them."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the data, and report the card to the issuer."]
    /// A signature algorithm we do not have.
    SignatureUnsupported "TERMINAL-W-SIGNATURE-UNSUPPORTED" Reader
        ["簽章演算法不受支援，無法查驗。", "The signature algorithm is not supported: the signature cannot be checked."]
        ["請更新讀卡程式。", "Update the reading program."]
    /// No trusted CSCA for this signer.
    SignerUntrusted "TERMINAL-E-SIGNER-UNTRUSTED" Reader
        ["簽章憑證並非由信任的國家簽發機關（CSCA）簽發。", "The signer's certificate was not issued by a country signing CA that is trusted here."]
        ["請由可信的管道取得發證國的 CSCA 憑證；若已取得，請勿採信此卡。", "Get the issuing country's CSCA certificate from a source you trust; if you have it, do not rely on this card."]
    /// DS or CSCA outside of its validity.
    SignerExpired "TERMINAL-E-SIGNER-VALIDITY" Card
        ["簽章憑證或其 CSCA 憑證不在有效期間內。", "The certificate of the signer or of its CSCA is not valid at this time."]
        ["請核對電腦的日期；日期正確時請勿採信。", "Check the date of this computer; if it is right, do not rely on the data."]
    /// DS revoked.
    SignerRevoked "TERMINAL-E-SIGNER-REVOKED" Issuer
        ["簽章憑證已被廢止。", "The signer's certificate is revoked."]
        ["請勿採信，並洽發卡機關。", "Do not rely on the data; ask the issuer."]
    /// DS not fit for this purpose.
    SignerProfile "TERMINAL-E-SIGNER-PROFILE" Issuer
        ["簽章憑證的用途不是文件簽章。", "The signer's certificate is not made for signing documents."]
        ["請勿採信，並洽發卡機關。", "Do not rely on the data; ask the issuer."]
    /// No CRL at hand.
    RevocationUnknown "TERMINAL-W-REVOCATION-UNKNOWN" Reader
        ["沒有 CSCA 的廢止清冊，無法查驗簽章憑證是否已廢止。", "There is no revocation list of the CSCA: revocation of the signer is not known."]
        ["請取得 CSCA 的最新廢止清冊後重新讀取。", "Get the latest revocation list of the CSCA and read again."]
    /// The CRL at hand is past its nextUpdate.
    RevocationOverdue "TERMINAL-W-REVOCATION-OVERDUE" Reader
        ["CSCA 的廢止清冊已逾期，簽章憑證之後是否已廢止不得而知。", "The revocation list of the CSCA is overdue: whether the signer has been revoked since is not known."]
        ["請取得 CSCA 的最新廢止清冊後重新讀取。", "Get the latest revocation list of the CSCA and read again."]
    /// A data group has another hash.
    GroupAltered "TERMINAL-E-GROUP-ALTERED" Card
        ["資料群組與簽章時不同，已遭竄改。", "A data group is not what was signed: it was changed."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the data, and report the card to the issuer."]
    /// A data group is not in the security object.
    GroupUnsigned "TERMINAL-E-GROUP-UNSIGNED" Card
        ["卡片含有未經簽章的資料群組。", "The card holds a data group that nobody signed."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the data, and report the card to the issuer."]
    /// The MRZ contradicts itself.
    MrzInvalid "TERMINAL-E-MRZ" Card
        ["機讀區（MRZ）檢查碼不正確。", "A check digit of the machine readable zone is wrong."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the data, and report the card to the issuer."]
    /// The card is past its date of expiry.
    DocumentExpired "TERMINAL-E-DOCUMENT-EXPIRED" Holder
        ["卡片已逾有效期限。", "The card is past its date of expiry."]
        ["請持卡人換領新證。", "The holder should have the card renewed."]
    // --- active authentication
    /// No DG15.
    NoActiveAuthentication "TERMINAL-W-AA-NOT-OFFERED" Card
        ["卡片不支援主動驗證，無法確認晶片並非複製品。", "The card does not offer active authentication: whether the chip is a copy is not known."]
        ["請以其他方式查驗卡片真偽。", "Examine the card by other means."]
    /// An algorithm we do not have.
    ActiveAuthenticationUnsupported "TERMINAL-W-AA-UNSUPPORTED" Reader
        ["卡片的主動驗證演算法不受支援。", "The algorithm of the card's active authentication is not supported."]
        ["請更新讀卡程式，或以其他方式查驗。", "Update the reading program, or examine the card by other means."]
    /// The AA key is not vouched for.
    ActiveAuthenticationUnsigned "TERMINAL-E-AA-KEY-UNSIGNED" Card
        ["主動驗證金鑰未經有效簽章，無法證明晶片為真。", "Nobody trusted vouches for the active authentication key: it proves nothing."]
        ["請先排除簽章檢查的問題。", "Mend what the signature checks say first."]
    /// The chip did not sign, or wrongly.
    ActiveAuthenticationFailed "TERMINAL-E-AA" Card
        ["晶片未通過主動驗證，可能是複製品。", "The chip failed active authentication: it may be a copy."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the card, and report it to the issuer."]
    // --- household zone
    /// The household file does not decode.
    HouseholdMalformed "TERMINAL-E-HOUSEHOLD-MALFORMED" Card
        ["戶籍地區資料的格式不正確。", "The household zone is malformed."]
        ["請勿採信其內容；請洽發卡機關。", "Do not rely on its content; ask the issuer."]
    /// The household file is another neighbourhood's.
    HouseholdElsewhere "TERMINAL-E-HOUSEHOLD-ELSEWHERE" Card
        ["戶籍地區與公開區的戶籍地址不符，可能來自另一張卡片。", "The household zone names another neighbourhood than the registered address: it may come from another card."]
        ["請勿採信戶籍地區資料，並通報發卡機關。", "Do not rely on the household zone, and report the card to the issuer."]
    // --- status
    /// Suspended by the holder or the issuer.
    CardSuspended "TERMINAL-E-CARD-SUSPENDED" Holder
        ["卡片已停用。", "The card is suspended."]
        ["請持卡人辦理復用後再使用。", "The holder must have it resumed before use."]
    /// Void for good.
    CardVoid "TERMINAL-E-CARD-VOID" Holder
        ["卡片已作廢。", "The card is void."]
        ["請勿接受此卡。", "Do not accept this card."]
    /// Nobody was asked about the card.
    StatusUnknown "TERMINAL-W-STATUS-UNKNOWN" Reader
        ["卡片狀態（有效、停用或作廢）未經查詢，或無從查詢。", "Whether the card is valid, suspended or void was not looked up, or cannot be."]
        ["請以卡片狀態清單查詢（--card-list）；簽章與晶片查驗結果不代表卡片仍然有效。", "Look the card up in the card status list (--card-list): a good signature and a genuine chip do not say that the card is still valid."]
    // --- the encrypted zone
    /// The eID application does not answer.
    NoEncryptedZone "TERMINAL-E-NO-ENCRYPTED-ZONE" Reader
        ["卡片在此介面沒有加密區。", "The card has no encrypted zone on this interface."]
        ["請改用接觸式讀卡機，並確認放入的是 New eID。", "Use a contact reader, and check that the card is a New eID."]
    /// The certificates do not decode.
    TerminalCertificateMalformed "TERMINAL-E-TERMINAL-CERTIFICATE-MALFORMED" Reader
        ["終端憑證檔不是卡片可驗證憑證（CVC）。", "The terminal certificate file holds no card-verifiable certificates."]
        ["請提供授權驗證系統核發的憑證鏈（DV 與終端憑證）。", "Give the chain that the authorisation PKI issued: document verifier and terminal."]
    /// The chain does not begin at a trust point of the card.
    TerminalUntrusted "TERMINAL-E-TERMINAL-UNTRUSTED" Reader
        ["終端憑證鏈無法連到卡片信任的根（CVCA）。", "The terminal's certificates do not lead to a root that the card trusts."]
        ["請加上 CVCA 連結憑證，或向卡片所屬的授權驗證系統申請憑證。", "Add the link certificates of the root, or apply to the authorisation PKI of this card."]
    /// The card refused a certificate.
    TerminalCertificateRefused "TERMINAL-E-TERMINAL-CERTIFICATE-REFUSED" Reader
        ["卡片不接受終端憑證：簽章、角色或日期不符；細節指出是哪一項。", "The card does not accept a certificate of the terminal, for its signature, its role or its dates; the detail says which."]
        ["請查看細節所指的憑證，並更新憑證。", "Look at the certificate that the detail names, and renew it."]
    /// The terminal's key is another one.
    TerminalKey "TERMINAL-E-TERMINAL-KEY" Reader
        ["終端金鑰與終端憑證不符。", "The terminal's key does not belong to its certificate."]
        ["請確認金鑰檔與憑證屬於同一終端。", "Check that key and certificate are those of the same terminal."]
    /// The right is not in the certificate, or was not granted.
    TerminalRight "TERMINAL-E-TERMINAL-RIGHT" Reader
        ["終端未獲此項權限；細節指出是哪一項。", "The terminal does not have the right for this; the detail says which one."]
        ["請向授權驗證系統申請此項權限，並取得持卡人同意。", "Apply to the authorisation PKI for this right, and ask the holder to agree."]
    /// EF.CardSecurity has no key.
    ChipKeyUnsigned "TERMINAL-E-CA-KEY-UNSIGNED" Card
        ["沒有經有效簽章的晶片驗證金鑰（EF.CardSecurity 或 DG14），無法證明晶片為真。", "Nobody trusted vouches for a chip authentication key (EF.CardSecurity, DG14): nothing proves that the chip is genuine."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the card, and report it to the issuer."]
    /// The chip does not hold the key.
    ChipAuthenticationFailed "TERMINAL-E-CA" Card
        ["晶片未通過晶片驗證，可能是複製品。", "The chip failed chip authentication: it may be a copy."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the card, and report it to the issuer."]
    /// The zone was signed for another chip.
    ZoneOfAnotherChip "TERMINAL-E-ZONE-OF-ANOTHER-CHIP" Card
        ["加密區的簽章屬於另一張卡片。", "The encrypted zone was signed for another card."]
        ["請勿採信，並通報發卡機關。", "Do not rely on the data, and report the card to the issuer."]
    /// Another chip answers than the one whose public zone was read.
    AnotherChip "TERMINAL-E-ANOTHER-CHIP" Card
        ["回應的晶片與先前讀取的公開區不是同一張卡片。", "The chip that answers is not that of the public zone that was read: it is another card's."]
        ["讀取期間請勿更換卡片；若並未更換，通訊可能遭到竄改，請勿採信並通報發卡機關。", "Do not change cards while reading; if nobody did, somebody may be interfering: do not rely on the data, and report it to the issuer."]
    /// A command in the session that the card refused.
    EidCommandRefused "TERMINAL-E-EID-COMMAND" Card
        ["卡片拒絕加密區的指令。", "The card refused a command of the encrypted zone."]
        ["請以細節所列的狀態碼對照 docs/card-commands.md。", "Compare the status word in the detail with docs/card-commands.md."]
    // --- updates
    /// Not signed by a document signer of the card's country.
    UpdateSigner "TERMINAL-E-UPDATE-SIGNER" Reader
        ["更新包不是卡片所屬國家的文件簽章者所簽，未寫入任何資料。", "The update was not signed by a document signer of the card's country; nothing was written."]
        ["請勿使用該更新包；若國家簽章金鑰已更換，請一併提供連結憑證。", "Do not use that update; if the country's signing key was changed, give the link certificates too."]
    /// Its number is not higher than that of the last one.
    UpdateOutdated "TERMINAL-E-UPDATE-OUTDATED" Reader
        ["卡片已有此更新或更新的版本，未寫入任何資料。", "The card has had this update or a later one; nothing was written."]
        ["請重新產生更新。", "Have the update made anew."]
    /// For another card, or its files do not fit what stays.
    UpdateUnfit "TERMINAL-E-UPDATE-UNFIT" Reader
        ["更新包不是給這張卡片的，或與卡片現有內容不符，未寫入任何資料。", "The update was made for another card, or does not fit what is on this one; nothing was written."]
        ["請確認卡片，並重新產生更新。", "Check which card it is, and have the update made anew."]
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (zh_hant, en) = self.cause();
        write!(f, "{}: {zh_hant} {en}", self.code())
    }
}

/// A sentence in both languages, as it stands in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Text {
    /// Traditional Chinese.
    pub zh_hant: &'static str,
    /// English.
    pub en: &'static str,
}

impl From<(&'static str, &'static str)> for Text {
    fn from((zh_hant, en): (&'static str, &'static str)) -> Self {
        Self { zh_hant, en }
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Refusal", 4)?;
        out.serialize_field("code", self.code())?;
        out.serialize_field("fault", &self.fault())?;
        out.serialize_field("cause", &Text::from(self.cause()))?;
        out.serialize_field("remedy", &Text::from(self.remedy()))?;
        out.end()
    }
}
