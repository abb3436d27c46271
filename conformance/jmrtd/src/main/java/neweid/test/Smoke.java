package neweid.test;

import java.util.HexFormat;
import javax.smartcardio.Card;
import javax.smartcardio.CardChannel;
import javax.smartcardio.CardTerminal;
import javax.smartcardio.CommandAPDU;
import javax.smartcardio.ResponseAPDU;

/** The card seen through javax.smartcardio alone: no library that knows what it is. */
final class Smoke {
    private Smoke() {}

    static void run(Verdict verdict, CardTerminal terminal) throws Exception {
        Card card = terminal.connect("*");
        try {
            CardChannel channel = card.getBasicChannel();
            // proves: CARD-02
            verdict.check("atr", () -> {
                byte[] atr = card.getATR().getBytes();
                Verdict.require(atr.length >= 2 && atr[0] == 0x3B, "not an answer to reset");
                return card.getProtocol() + " " + HexFormat.of().formatHex(atr);
            });
            verdict.check("select-mf", () -> expect(channel, new CommandAPDU(0x00, 0xA4, 0x00, 0x0C, new byte[] {0x3F, 0x00}), 0x9000));
            verdict.check("read-ef-card-access", () -> {
                String found = expect(channel, new CommandAPDU(0x00, 0xB0, 0x9C, 0x00, 256), 0x9000);
                Verdict.require(found.startsWith("31"), "EF.CardAccess is no SET");
                return found.length() / 2 + " bytes";
            });
            verdict.check("unknown-class-refused", () -> expect(channel, new CommandAPDU(0xF0, 0xCA, 0x00, 0x00, 256), 0x6E00));
            verdict.check("unknown-instruction-refused", () -> expect(channel, new CommandAPDU(0x00, 0x06, 0x00, 0x00, 256), 0x6D00));
            verdict.check("unknown-application-refused",
                () -> expect(channel, new CommandAPDU(0x00, 0xA4, 0x04, 0x0C, HexFormat.of().parseHex("F0112233445566")), 0x6A82));
        } finally {
            card.disconnect(true);
        }
    }

    private static String expect(CardChannel channel, CommandAPDU command, int status) throws Exception {
        ResponseAPDU response = channel.transmit(command);
        Verdict.require(response.getSW() == status, String.format("status %04X instead of %04X", response.getSW(), status));
        return HexFormat.of().formatHex(response.getData());
    }
}
