package peer;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;
import org.jpos.iso.ISOBinaryField;
import org.jpos.iso.ISOBasePackager;
import org.jpos.iso.ISOMsg;
import org.jpos.q2.Q2;
import org.jpos.q2.iso.QMUX;
import org.jpos.util.NameRegistrar;

/**
 * An acquirer at one end of a link, over a channel and a multiplexer of jPOS that its own container runs; a line for a line:
 *
 * <pre>
 * connect HOST PORT FOLDER           ok; the folder is for the container's descriptions
 * ask TYPE FIELD=VALUE …             ok TYPE FIELD=VALUE …, or "error no answer"
 * pin KEY PASSWORD DIGITS            ok BLOCK
 * </pre>
 *
 * Values are hexadecimal, of octets or of characters in ISO 8859-1.
 */
public final class Acquirer {
    private static final HexFormat HEX = HexFormat.of().withUpperCase();
    private static ISOBasePackager dialect;
    private static QMUX mux;

    private Acquirer() {}

    public static void main(String[] arguments) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        var out = new PrintStream(System.out, true, StandardCharsets.US_ASCII);
        // What the container says is no answer.
        System.setOut(System.err);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "ok " + answer(line.split(" "));
            } catch (Exception error) {
                answer = "error " + String.valueOf(error).replaceAll("[\\r\\n]+", " ");
            }
            out.println(answer);
        }
        System.exit(0);
    }

    private static String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "connect":
                connect(words[1], words[2], Path.of(words[3]));
                return "";
            case "ask":
                return ask(words);
            case "pin":
                return pin(words[1], words[2], words[3]);
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    private static void connect(String host, String port, Path folder) throws Exception {
        dialect = Dialects.named("ascii");
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("10_channel.xml"), """
            <channel-adaptor name="link" class="org.jpos.q2.iso.ChannelAdaptor" logger="Q2">
              <channel class="org.jpos.iso.channel.PostChannel" packager="org.jpos.iso.packager.ISO87APackager" logger="Q2">
                <property name="host" value="%s"/>
                <property name="port" value="%s"/>
              </channel>
              <in>link-send</in>
              <out>link-receive</out>
              <reconnect-delay>500</reconnect-delay>
            </channel-adaptor>
            """.formatted(host, port));
        Files.writeString(folder.resolve("20_mux.xml"), """
            <mux name="link-mux" class="org.jpos.q2.iso.QMUX" logger="Q2">
              <in>link-receive</in>
              <out>link-send</out>
              <ready>link.ready</ready>
            </mux>
            """);
        new Q2(new String[] {"-d", folder.toString()}).start();
        for (int waited = 0; waited < 2000; waited++) {
            mux = (QMUX) NameRegistrar.getIfExists("mux.link-mux");
            if (mux != null && mux.isConnected()) {
                return;
            }
            Thread.sleep(10);
        }
        throw new IllegalStateException("the link is not up");
    }

    private static String ask(String[] words) throws Exception {
        var message = new ISOMsg(words[1]);
        for (int at = 2; at < words.length; at++) {
            String[] field = words[at].split("=");
            int number = Integer.parseInt(field[0]);
            byte[] value = HEX.parseHex(field[1]);
            if (dialect.getFieldPackager(number).createComponent(number) instanceof ISOBinaryField) {
                message.set(number, value);
            } else {
                message.set(number, new String(value, StandardCharsets.ISO_8859_1));
            }
        }
        ISOMsg answer = mux.request(message, 20_000);
        if (answer == null) {
            throw new IllegalStateException("no answer");
        }
        var said = new StringBuilder(answer.getMTI());
        for (int number = 2; number <= answer.getMaxField(); number++) {
            if (answer.hasField(number)) {
                Object value = answer.getValue(number);
                byte[] octets = value instanceof byte[] binary ? binary : ((String) value).getBytes(StandardCharsets.ISO_8859_1);
                said.append(' ').append(number).append('=').append(HEX.formatHex(octets));
            }
        }
        return said.toString();
    }

    /** ISO 9564-1, format 0, with the twelve last digits of a phone number in the place of a card's. */
    private static String pin(String key, String password, String digits) throws Exception {
        byte[] first = HEX.parseHex(("0" + Integer.toHexString(password.length()) + password + "FFFFFFFFFFFFFF").substring(0, 16));
        String last = digits.substring(digits.length() - 12);
        byte[] second = HEX.parseHex("0000" + last);
        for (int at = 0; at < 8; at++) {
            first[at] ^= second[at];
        }
        var cipher = Cipher.getInstance("DESede/ECB/NoPadding");
        cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(HEX.parseHex(key + key.substring(0, 16)), "DESede"));
        return HEX.formatHex(cipher.doFinal(first));
    }
}
