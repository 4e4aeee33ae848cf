package peer;

import java.io.InputStream;
import org.jpos.iso.*;
import org.jpos.iso.packager.GenericPackager;
import org.jpos.iso.packager.ISO87APackager;
import org.jpos.iso.packager.ISO87BPackager;

/** The dialects that bankhub speaks, as jPOS has them or puts them together. */
final class Dialects {
    private Dialects() {}

    static ISOBasePackager named(String name) throws ISOException {
        return switch (name) {
            case "ascii" -> asPublished(new ISO87APackager(), new IFA_BINARY(8, ""));
            case "ascii-binary" -> binary(asPublished(new ISO87APackager(), new IFB_BINARY(8, "")), new IFA_LLLBINARY(255, ""));
            case "ebcdic" -> ebcdic(binary(asPublished(new ISO87APackager(), new IFB_BINARY(8, "")), new IFE_LLLBINARY(255, "")));
            case "bcd" -> packedTracks(asPublished(new ISO87BPackager(), new IFB_BINARY(8, "")));
            case "union-pay" -> new GenericPackager(resource("/union-pay.xml"));
            default -> throw new ISOException("no dialect " + name);
        };
    }

    private static InputStream resource(String name) {
        return Dialects.class.getResourceAsStream(name);
    }

    /** ISO 8583:1987 gives field 93 five characters and field 96 64 bits; jPOS gives them six and 128. */
    private static ISOBasePackager asPublished(ISOBasePackager packager, ISOFieldPackager securityCode) {
        packager.setFieldPackager(93, new IF_CHAR(5, "response indicator"));
        packager.setFieldPackager(96, securityCode);
        return packager;
    }

    /** jPOS packs track 2 and not track 3. */
    private static ISOBasePackager packedTracks(ISOBasePackager packager) {
        packager.setFieldPackager(36, new IFB_LLLNUM(104, "track 3 data", false));
        return packager;
    }

    /** Bitmaps and binary fields as octets. */
    private static ISOBasePackager binary(ISOBasePackager packager, ISOFieldPackager chip) {
        packager.setFieldPackager(1, new IFB_BITMAP(16, "bitmap"));
        for (int field : new int[] {52, 64, 128}) {
            packager.setFieldPackager(field, new IFB_BINARY(8, "binary"));
        }
        packager.setFieldPackager(55, chip);
        return packager;
    }

    /** Every field of characters in EBCDIC, with the length that it has in ASCII. */
    private static ISOBasePackager ebcdic(ISOBasePackager packager) {
        for (int field = 0; field <= 128; field++) {
            ISOFieldPackager ascii = packager.getFieldPackager(field);
            int length = ascii.getLength();
            ISOFieldPackager ebcdic = switch (ascii.getClass().getSimpleName()) {
                case "IFA_NUMERIC" -> new IFE_NUMERIC(length, "");
                case "IFA_AMOUNT" -> new IFE_AMOUNT(length, "");
                case "IF_CHAR" -> new IFE_CHAR(length, "");
                case "IFA_LLNUM" -> new IFE_LLNUM(length, "");
                case "IFA_LLCHAR" -> new IFE_LLCHAR(length, "");
                case "IFA_LLLCHAR" -> new IFE_LLLCHAR(length, "");
                default -> ascii;
            };
            packager.setFieldPackager(field, ebcdic);
        }
        return packager;
    }
}
