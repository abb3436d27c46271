package neweid.test;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.LogManager;
import javax.smartcardio.CardTerminal;
import javax.smartcardio.TerminalFactory;
import net.sf.scuba.smartcards.TerminalCardService;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.jmrtd.AccessKeySpec;
import org.jmrtd.BACKey;
import org.jmrtd.PACEKeySpec;
import org.jmrtd.lds.PACEInfo;

/**
 * Usage: {@code Main SCENE READER smoke}, {@code Main SCENE READER read|wrong-key|time OPTION=VALUE...}, {@code Main SCENE READER personas} with one card per line
 * of standard input (see {@link Personas}).
 * Options: can, mrz (file with three lines), parameters (18: P-521, 13: brainpoolP256r1), mapping (GM, IM, CAM), csca, crl, stranger, holder, out, extended, rounds, bac.
 * Prints a line per check and writes {@code out/verdict.json}; the exit code says whether all passed.
 */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws Exception {
        Security.insertProviderAt(new BouncyCastleProvider(), 1);
        Verdict verdict = new Verdict(arguments[0]);
        Map<String, String> options = new HashMap<>();
        for (int i = 3; i < arguments.length; i++) {
            int equals = arguments[i].indexOf('=');
            options.put(arguments[i].substring(0, equals), arguments[i].substring(equals + 1));
        }
        CardTerminal terminal = arguments[2].equals("personas") ? reader(arguments[1]) : terminal(arguments[1]);
        switch (arguments[2]) {
            case "smoke" -> Smoke.run(verdict, terminal);
            case "personas" -> {
                // One machine for all cards: it takes longer to start than to read.
                System.exit(Personas.run(terminal.getName(), System.in) ? 0 : 1);
            }
            case "read" -> read(verdict, terminal, options);
            case "time" -> {
                // What it writes about protocols it does not know is no part of reading.
                LogManager.getLogManager().reset();
                time(terminal, options);
                System.exit(0);
            }
            case "wrong-key" -> new Passport(verdict, parameters(options), mapping(options)).readWithWrongKey(new TerminalCardService(terminal), key(options));
            default -> throw new IllegalArgumentException(arguments[2]);
        }
        if (options.containsKey("out")) {
            Files.writeString(Path.of(options.get("out"), "verdict.json"), verdict.toJson());
        }
        System.exit(verdict.hasFailed() ? 1 : 0);
    }

    private static void read(Verdict verdict, CardTerminal terminal, Map<String, String> options) throws Exception {
        Path out = Files.createDirectories(Path.of(options.get("out")));
        Trust trust = new Trust(Path.of(options.get("csca")), Path.of(options.get("crl")));
        String mrz = String.join("", lines(options.get("mrz")));
        Passport.Expected expected = new Passport.Expected(mrz, options.get("holder"), true);
        new Passport(verdict, parameters(options), mapping(options)).read(new TerminalCardService(terminal), key(options), options.containsKey("extended"), trust,
            Trust.certificate(Path.of(options.get("stranger"))), expected, out);
    }

    /** Prints the milliseconds of the first reading and of the fastest, with as many of each kind of command. */
    private static void time(CardTerminal terminal, Map<String, String> options) throws Exception {
        Trust trust = new Trust(Path.of(options.get("csca")), Path.of(options.get("crl")));
        int rounds = Integer.parseInt(options.get("rounds"));
        long first = 0;
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 2 * rounds; round++) {
            Verdict verdict = new Verdict("time", true);
            // Short and long commands in turn: the faster kind counts.
            long time = new Passport(verdict, 18, PACEInfo.MappingType.GM).time(new TerminalCardService(terminal), key(options), round % 2 == 1, trust);
            Verdict.require(!verdict.isEmpty() && !verdict.hasFailed(), "the card does not verify: " + verdict.toJson());
            first = round == 0 ? time : first;
            least = Math.min(least, time);
        }
        System.out.println(first / 1e6 + " " + least / 1e6);
    }

    private static int parameters(Map<String, String> options) {
        return Integer.parseInt(options.getOrDefault("parameters", "18"));
    }

    private static PACEInfo.MappingType mapping(Map<String, String> options) {
        return PACEInfo.MappingType.valueOf(options.getOrDefault("mapping", "GM"));
    }

    private static AccessKeySpec key(Map<String, String> options) throws Exception {
        if (options.containsKey("can")) {
            return PACEKeySpec.createCANKey(options.get("can"));
        }
        // ICAO 9303-5 §4.2: TD1 has the document number in line 1, the dates in line 2.
        List<String> lines = lines(options.get("mrz"));
        BACKey key = new BACKey(lines.get(0).substring(5, 14), lines.get(1).substring(0, 6), lines.get(1).substring(8, 14));
        return options.containsKey("bac") ? key : PACEKeySpec.createMRZKey(key);
    }

    static List<String> lines(String file) throws Exception {
        return Files.readAllLines(Path.of(file)).stream().filter(line -> !line.isBlank()).toList();
    }

    static CardTerminal terminal(String name) throws Exception {
        CardTerminal terminal = reader(name);
        Verdict.require(terminal.waitForCardPresent(10_000), "no card in " + name);
        return terminal;
    }

    private static CardTerminal reader(String name) throws Exception {
        for (CardTerminal terminal : TerminalFactory.getDefault().terminals().list()) {
            if (terminal.getName().equals(name)) {
                return terminal;
            }
        }
        throw new IllegalArgumentException("no reader named " + name);
    }
}
