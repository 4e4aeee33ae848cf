package peer;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jpos.iso.ISOBasePackager;
import org.jpos.iso.ISOBinaryField;
import org.jpos.iso.ISOException;
import org.jpos.iso.ISOMsg;

/**
 * Reads and writes messages for somebody at the other end of a pipe, a line for a line:
 *
 * <pre>
 * read DIALECT MESSAGE                     ok TYPE HEADER FIELD=VALUE ...
 * write DIALECT TYPE HEADER FIELD=VALUE …  ok MESSAGE
 * </pre>
 *
 * Messages, headers and values are hexadecimal, of octets or of characters in ISO 8859-1; "-" is a header of no octets. What
 * cannot be done is answered with "error" and why.
 *
 * <p>"bench DIALECT FILE SECONDS" as arguments measures messages a second with the messages of a file, a line each.
 */
public final class Peer {
    private static final HexFormat HEX = HexFormat.of().withUpperCase();
    private static final Map<String, ISOBasePackager> DIALECTS = new ConcurrentHashMap<>();

    private Peer() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 4 && arguments[0].equals("bench")) {
            bench(dialect(arguments[1]), Path.of(arguments[2]), Double.parseDouble(arguments[3]));
            return;
        }
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        var out = new PrintStream(System.out, false, StandardCharsets.US_ASCII);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "ok " + answer(line.split(" "));
            } catch (ISOException | RuntimeException error) {
                answer = "error " + String.valueOf(error).replaceAll("[\\r\\n]+", " ");
            }
            out.println(answer);
            if (!in.ready()) {
                out.flush();
            }
        }
        out.flush();
    }

    private static String answer(String[] words) throws ISOException {
        var dialect = dialect(words[1]);
        if (words[0].equals("read")) {
            return describe(read(dialect, HEX.parseHex(words[2])));
        }
        var message = new ISOMsg(words[2]);
        message.setPackager(dialect);
        if (!words[3].equals("-")) {
            message.setHeader(HEX.parseHex(words[3]));
        }
        for (int at = 4; at < words.length; at++) {
            String[] field = words[at].split("=");
            int number = Integer.parseInt(field[0]);
            byte[] value = HEX.parseHex(field[1]);
            if (dialect.getFieldPackager(number).createComponent(number) instanceof ISOBinaryField) {
                message.set(number, value);
            } else {
                message.set(number, new String(value, StandardCharsets.ISO_8859_1));
            }
        }
        return HEX.formatHex(message.pack());
    }

    private static ISOBasePackager dialect(String name) {
        return DIALECTS.computeIfAbsent(name, missing -> {
            try {
                return Dialects.named(missing);
            } catch (ISOException error) {
                throw new IllegalArgumentException(error);
            }
        });
    }

    private static ISOMsg read(ISOBasePackager dialect, byte[] octets) throws ISOException {
        var message = new ISOMsg();
        message.setPackager(dialect);
        int read = message.unpack(octets);
        if (read != octets.length) {
            throw new ISOException(read + " octets read of " + octets.length);
        }
        return message;
    }

    private static String describe(ISOMsg message) throws ISOException {
        byte[] header = message.getHeader();
        var words = new StringBuilder(message.getMTI()).append(' ');
        words.append(header == null || header.length == 0 ? "-" : HEX.formatHex(header));
        for (int number = 2; number <= message.getMaxField(); number++) {
            if (message.hasField(number)) {
                Object value = message.getValue(number);
                byte[] octets = value instanceof byte[] binary ? binary : ((String) value).getBytes(StandardCharsets.ISO_8859_1);
                words.append(' ').append(number).append('=').append(HEX.formatHex(octets));
            }
        }
        return words.toString();
    }

    private record Field(int number, Object value) {}

    private record Sample(String type, byte[] header, List<Field> fields) {}

    private static void bench(ISOBasePackager dialect, Path file, double seconds) throws Exception {
        var messages = new ArrayList<byte[]>();
        var samples = new ArrayList<Sample>();
        for (String line : Files.readAllLines(file)) {
            byte[] octets = HEX.parseHex(line);
            messages.add(octets);
            var message = read(dialect, octets);
            var fields = new ArrayList<Field>();
            for (int number = 2; number <= message.getMaxField(); number++) {
                if (message.hasField(number)) {
                    fields.add(new Field(number, message.getValue(number)));
                }
            }
            samples.add(new Sample(message.getMTI(), message.getHeader(), fields));
        }
        // The first second is the just-in-time compiler's.
        perSecond(messages.size(), 1, () -> parse(dialect, messages));
        double parsed = perSecond(messages.size(), seconds, () -> parse(dialect, messages));
        perSecond(messages.size(), 1, () -> build(dialect, samples));
        double built = perSecond(messages.size(), seconds, () -> build(dialect, samples));
        System.out.printf("parse %.0f/s build %.0f/s%n", parsed, built);
    }

    private interface Round {
        long run() throws ISOException;
    }

    /** So that nothing of a round is left out as unused. */
    private static volatile long seen;

    private static long parse(ISOBasePackager dialect, List<byte[]> messages) throws ISOException {
        long length = 0;
        for (byte[] octets : messages) {
            var message = new ISOMsg();
            message.setPackager(dialect);
            message.unpack(octets);
            for (int number = 2; number <= message.getMaxField(); number++) {
                Object value = message.getValue(number);
                length += value instanceof String text ? text.length() : value instanceof byte[] binary ? binary.length : 0;
            }
        }
        return length;
    }

    private static long build(ISOBasePackager dialect, List<Sample> samples) throws ISOException {
        long length = 0;
        for (Sample sample : samples) {
            var message = new ISOMsg(sample.type());
            message.setPackager(dialect);
            if (sample.header() != null) {
                message.setHeader(sample.header());
            }
            for (Field field : sample.fields()) {
                if (field.value() instanceof byte[] binary) {
                    message.set(field.number(), binary);
                } else {
                    message.set(field.number(), (String) field.value());
                }
            }
            length += message.pack().length;
        }
        return length;
    }

    private static double perSecond(int messages, double seconds, Round round) throws ISOException {
        long began = System.nanoTime();
        long rounds = 0;
        double passed = 0;
        while (passed < seconds) {
            seen += round.run();
            rounds++;
            passed = (System.nanoTime() - began) / 1e9;
        }
        return rounds * messages / passed;
    }
}
