package neweid.test;

import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import javax.smartcardio.CardTerminal;
import net.sf.scuba.smartcards.TerminalCardService;
import org.jmrtd.PACEKeySpec;
import org.jmrtd.lds.PACEInfo;

/**
 * Reads one persona after the other, each put into the reader by whoever writes the line about it, and says whether the checks
 * that failed are those that have to fail.
 *
 * <p>A line has tab-separated: name, access number, file with the MRZ as printed, holder, CSCA, CRL, a certificate of a stranger, whether
 * there is a portrait ({@code yes}, {@code no}), the checks that have to fail (commas between, {@code -} for none), directory for what
 * is read, number of the PACE domain parameters. After each the word {@code done} is printed, so that the card can be taken out.
 */
final class Personas {
    private Personas() {}

    static boolean run(String reader, InputStream in) throws Exception {
        boolean good = true;
        BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split("\t");
            String state;
            try {
                state = judge(reader, words);
            } catch (Exception error) {
                state = "FAIL " + error;
            }
            good &= state.startsWith("ok ");
            System.out.println(state.replaceFirst(" ", " jmrtd/persona-" + words[0] + " "));
            System.out.println("done");
        }
        return good;
    }

    private static String judge(String reader, String[] words) throws Exception {
        CardTerminal terminal = Main.terminal(reader);
        Path out = Files.createDirectories(Path.of(words[9]));
        Verdict verdict = new Verdict("persona-" + words[0], true);
        Passport.Expected expected = new Passport.Expected(String.join("", Main.lines(words[2])), words[3], words[7].equals("yes"));
        new Passport(verdict, Integer.parseInt(words[10]), PACEInfo.MappingType.GM).read(new TerminalCardService(terminal), PACEKeySpec.createCANKey(words[1]), false,
            new Trust(Path.of(words[4]), Path.of(words[5])), Trust.certificate(Path.of(words[6])), expected, out);
        Files.writeString(out.resolve("verdict.json"), verdict.toJson());
        Set<String> wanted = words[8].equals("-") ? Set.of() : new TreeSet<>(Set.of(words[8].split(",")));
        if (verdict.isEmpty() || !verdict.failures().equals(wanted)) {
            return "FAIL failed checks " + verdict.failures() + " instead of " + wanted;
        }
        return wanted.isEmpty() ? "ok verified" : "ok refused by " + String.join(", ", wanted);
    }
}
