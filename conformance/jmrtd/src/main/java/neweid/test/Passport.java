package neweid.test;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.spec.IvParameterSpec;
import javax.imageio.ImageIO;
import net.sf.scuba.smartcards.CardFileInputStream;
import net.sf.scuba.smartcards.CardService;
import org.bouncycastle.asn1.ASN1BitString;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.ASN1Set;
import org.bouncycastle.asn1.ASN1TaggedObject;
import org.bouncycastle.jce.ECNamedCurveTable;
import org.bouncycastle.jce.spec.ECNamedCurveParameterSpec;
import org.bouncycastle.math.ec.ECPoint;
import org.jmrtd.AccessKeySpec;
import org.jmrtd.BACKey;
import org.jmrtd.DefaultFileSystem;
import org.jmrtd.PassportService;
import org.jmrtd.lds.ActiveAuthenticationInfo;
import org.jmrtd.lds.CardAccessFile;
import org.jmrtd.lds.ChipAuthenticationInfo;
import org.jmrtd.lds.ChipAuthenticationPublicKeyInfo;
import org.jmrtd.lds.PACEInfo;
import org.jmrtd.lds.SODFile;
import org.jmrtd.lds.SecurityInfo;
import org.jmrtd.lds.icao.COMFile;
import org.jmrtd.lds.icao.DG11File;
import org.jmrtd.lds.icao.DG12File;
import org.jmrtd.lds.icao.DG14File;
import org.jmrtd.lds.icao.DG15File;
import org.jmrtd.lds.icao.DG1File;
import org.jmrtd.lds.icao.DG2File;
import org.jmrtd.lds.iso19794.FaceImageInfo;
import org.jmrtd.protocol.PACECAMResult;
import org.jmrtd.protocol.PACEGMMappingResult;
import org.jmrtd.protocol.PACEResult;
import org.jmrtd.protocol.ReadBinaryAPDUSender;

/** Reads a card as a passport program does and checks all it finds. */
final class Passport {
    private final Verdict verdict;
    private final Map<Integer, byte[]> groups = new TreeMap<>();
    private PassportService service;
    private final int parameters;
    private final PACEInfo.MappingType mapping;
    private PACEInfo pace;
    private PACEResult result;
    private SODFile securityObject;
    private byte[] com;

    /** {@code parameters}: which of the card's PACE domain parameters to use (BSI TR-03110-3 table 4); {@code mapping}: and with which mapping.
     * A {@link BACKey} as key opens the zone by Basic Access Control instead. */
    Passport(Verdict verdict, int parameters, PACEInfo.MappingType mapping) {
        this.verdict = verdict;
        this.parameters = parameters;
        this.mapping = mapping;
    }

    /** What a reading is expected to find. */
    record Expected(String mrz, String holder, boolean portrait) {}

    /** The whole reading; everything read is written below {@code out}. */
    void read(CardService card, AccessKeySpec key, boolean extended, Trust trust, X509Certificate stranger, Expected expected, Path out)
        throws Exception {
        service = service(card, extended);
        service.open();
        try {
            if (!openChannel(key)) {
                return;
            }
            if (readFiles(out)) {
                authenticate(trust, stranger);
                examine(expected, out);
            }
        } finally {
            service.close();
        }
    }

    /** The reading that {@code neweid read} makes too, as fast as JMRTD does it: nanoseconds from the open reader to the chip that has proved itself. */
    long time(CardService card, AccessKeySpec key, boolean extended, Trust trust) throws Exception {
        service = service(card, extended);
        service.open();
        try {
            long begin = System.nanoTime();
            if (openChannel(key) && readFiles(null)) {
                passiveAuthentication(trust);
                verdict.check("active-authentication", () -> challenge().key().getAlgorithm());
            }
            return System.nanoTime() - begin;
        } finally {
            service.close();
        }
    }

    private static PassportService service(CardService card, boolean extended) {
        int tranceive = extended ? PassportService.EXTENDED_MAX_TRANCEIVE_LENGTH : PassportService.NORMAL_MAX_TRANCEIVE_LENGTH;
        return new PassportService(card, tranceive, extended ? 1024 : PassportService.DEFAULT_MAX_BLOCKSIZE, false, true);
    }

    /** A wrong access number must be refused by the card, not by us. */
    void readWithWrongKey(CardService card, AccessKeySpec key) throws Exception {
        service = service(card, false);
        service.open();
        try {
            // proves: CARD-25
            verdict.check("wrong-can-refused", () -> {
                PACEInfo info = paceInfo();
                try {
                    service.doPACE(key, info.getObjectIdentifier(), PACEInfo.toParameterSpec(info.getParameterId()), info.getParameterId());
                } catch (net.sf.scuba.smartcards.CardServiceException refused) {
                    // 63xx: authentication failed. Anything else would be another fault that only looks like a refusal.
                    Verdict.require((refused.getSW() & 0xFF00) == 0x6300, "another refusal: " + refused.getMessage());
                    return "refused: " + refused.getMessage();
                }
                throw new IllegalStateException("the card opened a channel with a wrong access number");
            });
        } finally {
            service.close();
        }
    }

    private PACEInfo paceInfo() throws Exception {
        try (InputStream in = service.getInputStream(PassportService.EF_CARD_ACCESS, PassportService.DEFAULT_MAX_BLOCKSIZE)) {
            Collection<SecurityInfo> infos = new CardAccessFile(in).getSecurityInfos();
            for (SecurityInfo info : infos) {
                if (info instanceof PACEInfo found && found.getParameterId().intValue() == parameters
                    && PACEInfo.toMappingType(found.getObjectIdentifier()) == mapping) {
                    return found;
                }
            }
        }
        throw new IllegalStateException("EF.CardAccess announces no PACE with parameters " + parameters + " and mapping " + mapping);
    }

    private boolean openChannel(AccessKeySpec key) {
        if (key instanceof BACKey basic) {
            boolean selected = verdict.check("select", () -> {
                service.sendSelectApplet(false);
                return "A0000002471001";
            });
            // proves: CARD-08
            return selected && verdict.check("bac", () -> {
                service.doBAC(basic);
                return "channel open, 3DES";
            });
        }
        boolean opened = verdict.check("ef-card-access", () -> {
            pace = paceInfo();
            return pace.getProtocolOIDString() + " parameters " + pace.getParameterId();
        });
        // proves: CARD-25, CARD-26
        opened = opened && verdict.check("pace", () -> {
            result = service.doPACE(key, pace.getObjectIdentifier(), PACEInfo.toParameterSpec(pace.getParameterId()), pace.getParameterId());
            return "channel open, mapping " + mapping;
        });
        if (opened && mapping == PACEInfo.MappingType.CAM) {
            // proves: CARD-08
            verdict.check("chip-authentication-mapping", this::chipAuthenticationMapping);
        }
        return opened && verdict.check("select", () -> {
            service.sendSelectApplet(true);
            return "A0000002471001";
        });
    }

    /** The chip's mapping key is the product of the data it sent and its static key, which EF.CardSecurity names (ICAO 9303-11 section 4.4.3.5.2). */
    private String chipAuthenticationMapping() throws Exception {
        // JMRTD asks for files outside the application without its channel; this one is only given inside.
        byte[] content = inChannel(PassportService.EF_CARD_SECURITY);
        ECNamedCurveParameterSpec curve = ECNamedCurveTable.getParameterSpec("secp521r1");
        ECPoint staticKey = curve.getCurve().decodePoint(chipAuthenticationKey(content));
        byte[] data = chipAuthenticationData((PACECAMResult) result);
        Verdict.require(data.length == 66, "chip authentication data of " + data.length + " bytes");
        var announced = ((ECPublicKey) ((PACEGMMappingResult) result.getMappingResult()).getPICCMappingPublicKey()).getW();
        ECPoint mappingKey = curve.getCurve().createPoint(announced.getAffineX(), announced.getAffineY());
        BigInteger scalar = new BigInteger(1, data);
        Verdict.require(staticKey.multiply(scalar).equals(mappingKey), "the data do not belong to the key of EF.CardSecurity");
        Verdict.require(!curve.getG().multiply(scalar).equals(mappingKey), "the data fit any key");
        return "the chip has the key of EF.CardSecurity";
    }

    /** A file through the channel that is open now, from the card and not from what JMRTD remembers of it. */
    private byte[] inChannel(short fid) throws Exception {
        DefaultFileSystem files = new DefaultFileSystem(new ReadBinaryAPDUSender(service), false);
        files.setWrapper(service.getWrapper());
        files.selectFile(fid);
        try (InputStream in = new CardFileInputStream(PassportService.DEFAULT_MAX_BLOCKSIZE, files)) {
            return in.readAllBytes();
        }
    }

    /**
     * The data, deciphered with the channel's key. JMRTD 0.8.6 takes -1 itself as the first block's predecessor, where ICAO 9303-11
     * section 4.4.3.5.4 has -1 enciphered with the same key, so that the first sixteen octets it hands out are other ones.
     */
    private static byte[] chipAuthenticationData(PACECAMResult result) throws Exception {
        SecretKey key = result.getWrapper().getEncryptionKey();
        byte[] minusOne = new byte[16];
        Arrays.fill(minusOne, (byte) 0xFF);
        Cipher block = Cipher.getInstance("AES/ECB/NoPadding");
        block.init(Cipher.ENCRYPT_MODE, key);
        Cipher chained = Cipher.getInstance("AES/CBC/NoPadding");
        chained.init(Cipher.DECRYPT_MODE, key, new IvParameterSpec(block.doFinal(minusOne)));
        byte[] padded = chained.doFinal(result.getEncryptedChipAuthenticationData());
        // ISO 9797-1 padding method 2.
        int end = padded.length - 1;
        while (end > 0 && padded[end] == 0) {
            end--;
        }
        Verdict.require(padded[end] == (byte) 0x80, "the data are not padded");
        byte[] data = Arrays.copyOf(padded, end);
        byte[] theirs = result.getChipAuthenticationData();
        Verdict.require(Arrays.equals(data, 16, data.length, theirs, 16, theirs.length), "JMRTD deciphers other data");
        return data;
    }

    /** The point of the ChipAuthenticationPublicKeyInfo in the signed content of EF.CardSecurity. */
    private static byte[] chipAuthenticationKey(byte[] cardSecurity) throws Exception {
        ASN1Sequence signedData = ASN1Sequence.getInstance(ASN1TaggedObject.getInstance(ASN1Sequence.getInstance(cardSecurity).getObjectAt(1)), true);
        ASN1Sequence encapsulated = ASN1Sequence.getInstance(signedData.getObjectAt(2));
        byte[] content = ASN1OctetString.getInstance(ASN1TaggedObject.getInstance(encapsulated.getObjectAt(1)), true).getOctets();
        for (ASN1Encodable info : ASN1Set.getInstance(content)) {
            ASN1Sequence fields = ASN1Sequence.getInstance(info);
            // id-PK-ECDH (BSI TR-03110-3 A.1.1.3).
            if (fields.getObjectAt(0).toString().equals("0.4.0.127.0.7.2.2.1.2")) {
                return ASN1BitString.getInstance(ASN1Sequence.getInstance(fields.getObjectAt(1)).getObjectAt(1)).getOctets();
            }
        }
        throw new IllegalStateException("EF.CardSecurity names no key of chip authentication");
    }

    private boolean readFiles(Path out) {
        return verdict.check("read-files", () -> {
            com = file(PassportService.EF_COM, "ef_com.bin", out);
            securityObject = new SODFile(new ByteArrayInputStream(file(PassportService.EF_SOD, "ef_sod.bin", out)));
            int bytes = com.length;
            for (int number : securityObject.getDataGroupHashes().keySet()) {
                byte[] content = file((short) (PassportService.EF_DG1 - 1 + number), "dg" + number + ".bin", out);
                groups.put(number, content);
                bytes += content.length;
            }
            return groups.keySet() + ", " + bytes + " bytes";
        });
    }

    private byte[] file(short fid, String name, Path out) throws Exception {
        try (InputStream in = service.getInputStream(fid, service.getMaxReadBinaryLength())) {
            byte[] content = in.readAllBytes();
            if (out != null) {
                Files.write(out.resolve(name), content);
            }
            return content;
        }
    }

    private void passiveAuthentication(Trust trust) {
        verdict.check("passive-hashes", () -> {
            Map<Integer, byte[]> hashes = securityObject.getDataGroupHashes();
            String digest = securityObject.getDigestAlgorithm();
            for (Map.Entry<Integer, byte[]> group : groups.entrySet()) {
                byte[] found = MessageDigest.getInstance(digest, "BC").digest(group.getValue());
                Verdict.require(Arrays.equals(found, hashes.get(group.getKey())), "hash of DG" + group.getKey() + " differs");
            }
            return digest + " of " + hashes.size() + " data groups";
        });
        // The security object's signature by the document signer, and that signer's own chain.
        verdict.check("passive-signature", () -> {
            X509Certificate signer = securityObject.getDocSigningCertificate();
            Trust.verify(securityObject.getDigestEncryptionAlgorithm(), signer.getPublicKey(), securityObject.getEContent(), securityObject.getEncryptedDigest());
            return securityObject.getDigestEncryptionAlgorithm();
        });
        // proves: DOCPKI-01, DOCPKI-06
        verdict.check("passive-chain", () -> {
            trust.validate(securityObject.getDocSigningCertificate());
            return "CSCA, validity and CRL";
        });
    }

    private void authenticate(Trust trust, X509Certificate stranger) {
        passiveAuthentication(trust);
        // The judge can say no: another root did not issue this signer.
        verdict.check("passive-foreign-root-refused", () -> {
            try {
                securityObject.getDocSigningCertificate().verify(stranger.getPublicKey());
            } catch (java.security.GeneralSecurityException refused) {
                return "refused";
            }
            throw new IllegalStateException("a foreign root verified the document signer");
        });
        // proves: CARD-27
        verdict.check("active-authentication", this::activeAuthentication);
        // Last, because a chip without the key ends the session.
        // proves: CARD-08
        verdict.check("chip-authentication", this::chipAuthentication);
    }

    /** Chip authentication of passports with the key of DG14: the chip can speak in the channel that it leads to. */
    private String chipAuthentication() throws Exception {
        DG14File infos = new DG14File(new ByteArrayInputStream(group(14)));
        List<ChipAuthenticationInfo> announced = infos.getChipAuthenticationInfos();
        List<ChipAuthenticationPublicKeyInfo> keys = infos.getChipAuthenticationPublicKeyInfos();
        Verdict.require(announced.size() == 1 && keys.size() == 1, "DG14 announces " + announced.size() + " protocols and " + keys.size() + " keys");
        ChipAuthenticationInfo info = announced.get(0);
        var before = service.getWrapper();
        service.doEACCA(info.getKeyId(), info.getObjectIdentifier(), keys.get(0).getObjectIdentifier(), keys.get(0).getSubjectPublicKey());
        Verdict.require(service.getWrapper() != before, "JMRTD stays in the old channel");
        Verdict.require(Arrays.equals(inChannel(PassportService.EF_DG1), group(1)), "DG1 has changed");
        return info.getProtocolOIDString() + " version " + info.getVersion();
    }

    /** The chip's answer to a challenge, verified. */
    private record Answer(PublicKey key, byte[] challenge, byte[] signature) {}

    private String activeAuthentication() throws Exception {
        Answer answer = challenge();
        answer.challenge()[0] ^= 1;
        try {
            Trust.verify("SHA512withPLAIN-ECDSA", answer.key(), answer.challenge(), answer.signature());
        } catch (IllegalStateException refused) {
            return "ECDSA P-521, SHA-512, plain";
        }
        throw new IllegalStateException("the answer also verifies for another challenge");
    }

    private Answer challenge() throws Exception {
        DG14File infos = new DG14File(new ByteArrayInputStream(group(14)));
        List<ActiveAuthenticationInfo> announced = infos.getActiveAuthenticationInfos();
        Verdict.require(!announced.isEmpty(), "DG14 announces no active authentication");
        String algorithm = announced.get(0).getSignatureAlgorithmOID();
        Verdict.require(ActiveAuthenticationInfo.ECDSA_PLAIN_SHA512_OID.equals(algorithm), "algorithm " + algorithm);
        PublicKey key = new DG15File(new ByteArrayInputStream(group(15))).getPublicKey();
        byte[] challenge = new byte[8];
        new SecureRandom().nextBytes(challenge);
        byte[] answer = service.doAA(key, "SHA-512", "SHA512withPLAIN-ECDSA", challenge).getResponse();
        Verdict.require(answer.length == 132, "signature of " + answer.length + " bytes");
        Trust.verify("SHA512withPLAIN-ECDSA", key, challenge, answer);
        return new Answer(key, challenge, answer);
    }

    private void examine(Expected expected, Path out) {
        verdict.check("com-lists-the-groups", () -> {
            TreeSet<Integer> listed = new TreeSet<>();
            for (int tag : new COMFile(new ByteArrayInputStream(com)).getTagList()) {
                listed.add(org.jmrtd.lds.LDSFileUtil.lookupDataGroupNumberByTag(tag));
            }
            Verdict.require(listed.equals(groups.keySet()), "EF.COM lists " + listed);
            return listed.toString();
        });
        verdict.check("dg1-mrz", () -> {
            String mrz = new DG1File(new ByteArrayInputStream(group(1))).getMRZInfo().toString().replace("\n", "");
            Verdict.require(mrz.equals(expected.mrz()), "DG1 holds " + mrz);
            return "three lines as printed";
        });
        verdict.check("dg2-photo", () -> {
            List<FaceImageInfo> images = new ArrayList<>();
            new DG2File(new ByteArrayInputStream(group(2))).getFaceInfos().forEach(face -> images.addAll(face.getFaceImageInfos()));
            Verdict.require(images.size() == (expected.portrait() ? 1 : 0), images.size() + " portraits");
            if (images.isEmpty()) {
                return "exempted";
            }
            byte[] photo = images.get(0).getImageInputStream().readAllBytes();
            Files.write(out.resolve("photo.jpg"), photo);
            var image = ImageIO.read(new ByteArrayInputStream(photo));
            Verdict.require(image != null, "the portrait is no picture");
            return image.getWidth() + " x " + image.getHeight() + ", " + photo.length + " bytes";
        });
        // ICAO 9303-5 §4.2.2: fillers where a document has no date of expiry (OPEN-09).
        verdict.check("expiry", () -> {
            String expiry = new DG1File(new ByteArrayInputStream(group(1))).getMRZInfo().getDateOfExpiry();
            if (expiry.isEmpty() || expiry.startsWith("<")) {
                return "none";
            }
            java.time.LocalDate last = java.time.LocalDate.parse("20" + expiry, java.time.format.DateTimeFormatter.BASIC_ISO_DATE);
            Verdict.require(!last.isBefore(java.time.LocalDate.now(java.time.ZoneId.of("Asia/Taipei"))), "expired on " + last);
            return last.toString();
        });
        verdict.check("dg11-holder", () -> {
            DG11File person = new DG11File(new ByteArrayInputStream(group(11)));
            List<String> names = new ArrayList<>(person.getOtherNames() == null ? List.of() : person.getOtherNames());
            names.add(person.getNameOfHolder());
            Verdict.require(names.stream().anyMatch(name -> name != null && name.contains(expected.holder())), "names " + names);
            Verdict.require(person.getFullDateOfBirth() != null, "no date of birth");
            return expected.holder();
        });
        verdict.check("dg12-issue", () -> {
            DG12File document = new DG12File(new ByteArrayInputStream(group(12)));
            Verdict.require(document.getDateOfIssue() != null, "no date of issue");
            return document.getDateOfIssue();
        });
    }

    private byte[] group(int number) {
        byte[] content = groups.get(number);
        Verdict.require(content != null, "DG" + number + " is not on the card");
        return content;
    }
}
