import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jpos.iso.ISOException;
import org.jpos.iso.ISOMsg;
import org.jpos.iso.packager.GenericPackager;
import org.jpos.q2.Q2;
import org.jpos.tlv.TLVList;

/**
 * The codec jPOS behind the line protocol of bench/codec_peers/__init__.py, with a GenericPackager for each profile.
 *
 * <p>encode is a new ISOMsg, one set for each field, and pack; decode is a new ISOMsg and unpack.
 */
public final class JposPeer {
  private static final String DOCTYPE = "<!DOCTYPE isopackager PUBLIC"
      + " \"-//jPOS/jPOS Generic Packager DTD 1.0//EN\" \"http://jpos.org/dtd/generic-packager-1.0.dtd\">";
  private static final HexFormat HEX = HexFormat.of();
  private static final Map<String, Profile> profiles = new HashMap<>();
  private static final Map<String, Group> groups = new HashMap<>();

  /** What a value of the protocol becomes in an ISOMsg. */
  private enum Held { TEXT, TRACK, BINARY, HEX_TEXT }

  /** A number and its value, ready for ISOMsg.set: text or bytes. */
  private record Value(int number, String text, byte[] bytes) {}

  /** One message that is timed. */
  private record Sample(String mti, List<Value> values, byte[] wire) {}

  /** The messages that are timed in rotation. */
  private record Group(Profile profile, List<Sample> samples) {}

  public static void main(String[] arguments) throws IOException {
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      String answer;
      try {
        answer = answer(line.split(" "));
      } catch (ISOException | RuntimeException fault) {
        answer = "cannot " + fault.toString().replace('\n', ' ');
      }
      System.out.println(answer);
      System.out.flush();
    }
  }

  private static String answer(String[] words) throws ISOException {
    switch (words[0]) {
      case "version":
        return Q2.getVersion() + ", Java " + System.getProperty("java.version");
      case "field":
        profiles.computeIfAbsent(words[1], name -> new Profile()).learn(words);
        return "ok";
      case "encode": {
        Profile profile = profiles.get(words[1]);
        return HEX.formatHex(profile.encode(words[2], profile.values(words, 3)));
      }
      case "decode":
        return profiles.get(words[1]).shown(HEX.parseHex(words[2]));
      case "add": {
        Profile profile = profiles.get(words[2]);
        List<Value> values = profile.values(words, 4);
        Sample sample = new Sample(words[3], values, profile.encode(words[3], values));
        groups.computeIfAbsent(words[1], name -> new Group(profile, new ArrayList<>())).samples().add(sample);
        return "ok";
      }
      case "time":
        return Long.toString(time(words[1], groups.get(words[2]), Integer.parseInt(words[3])));
      default:
        throw new IllegalArgumentException(words[0]);
    }
  }

  private static long time(String operation, Group group, int count) throws ISOException {
    if (group == null) {
      throw new IllegalArgumentException("no such group");
    }
    Profile profile = group.profile();
    Sample[] samples = group.samples().toArray(new Sample[0]);
    long kept = 0; // what comes out is used, so that no work can be left out
    long began = System.nanoTime();
    switch (operation) {
      case "encode":
        for (int done = 0; done < count; done++) {
          Sample sample = samples[done % samples.length];
          kept += profile.encode(sample.mti(), sample.values()).length;
        }
        break;
      case "decode":
        for (int done = 0; done < count; done++) {
          kept += profile.decode(samples[done % samples.length].wire()).getMaxField();
        }
        break;
      case "open":
        for (int done = 0; done < count; done++) {
          TLVList tags = new TLVList();
          tags.unpack(profile.decode(samples[done % samples.length].wire()).getBytes(55));
          kept += tags.getTags().size();
        }
        break;
      default:
        throw new IllegalArgumentException(operation);
    }
    long took = System.nanoTime() - began;
    if (kept == 0) {
      throw new IllegalStateException("nothing came out");
    }
    return took;
  }

  /** The rows of our table as a GenericPackager. */
  private static final class Profile {
    private final Map<Integer, String> rows = new TreeMap<>();
    private final Map<Integer, Held> held = new HashMap<>();
    private GenericPackager packager;

    void learn(String[] words) {
      int number = Integer.parseInt(words[2]);
      String content = words[3];
      String encoding = words[4];
      int length = Integer.parseInt(words[5]);
      String prefix = words[6].equals("-") ? "" : words[6];
      String kind = "L".repeat(prefix.isEmpty() ? 0 : Integer.parseInt(words[7]));
      boolean hexText = encoding.equals("hex") && !prefix.isEmpty();
      held.put(number, content.equals("z") ? Held.TRACK
          : hexText ? Held.HEX_TEXT : content.equals("b") ? Held.BINARY : Held.TEXT);
      String type = number == 1 ? bitmap(encoding) : type(content, encoding, prefix, kind);
      int size = number == 1 ? 16 : hexText ? 2 * length : length;
      rows.put(number, String.format(
          "<isofield id=\"%d\" length=\"%d\" name=\"%d\" pad=\"%b\" class=\"org.jpos.iso.%s\"/>",
          number, size, number, words[9].equals("left"), type));
    }

    private static String bitmap(String encoding) {
      return encoding.equals("raw") ? "IFB_BITMAP" : "IFA_BITMAP";
    }

    private static String type(String content, String encoding, String prefix, String kind) {
      boolean digits = content.equals("n");
      switch (encoding + (prefix.isEmpty() ? "" : "/" + prefix)) {
        case "bcd": return "IFB_NUMERIC";
        case "bcd/bcd": return "IFB_" + kind + "NUM";
        case "raw": return "IFB_BINARY";
        case "raw/bcd": return "IFB_" + kind + "BINARY";
        case "raw/ascii": return "IFA_" + kind + "BINARY";
        case "raw/ebcdic": return "IFE_" + kind + "BINARY";
        case "hex": return "IFA_BINARY";
        case "ascii": return digits ? "IFA_NUMERIC" : "IF_CHAR";
        case "ascii/bcd": return "IFB_" + kind + "CHAR";
        case "ascii/ascii": return "IFA_" + kind + (digits ? "NUM" : "CHAR");
        case "hex/ascii": return "IFA_" + kind + "CHAR";
        case "ebcdic": return digits ? "IFE_NUMERIC" : "IFE_CHAR";
        case "ebcdic/ebcdic": return "IFE_" + kind + (digits ? "NUM" : "CHAR");
        default: throw new IllegalArgumentException(encoding + " with a length in " + prefix);
      }
    }

    private GenericPackager packager() throws ISOException {
      if (packager == null) {
        String all = DOCTYPE + "<isopackager>" + String.join("", rows.values()) + "</isopackager>";
        packager = new GenericPackager(new ByteArrayInputStream(all.getBytes(StandardCharsets.US_ASCII)));
      }
      return packager;
    }

    List<Value> values(String[] words, int from) {
      List<Value> values = new ArrayList<>();
      for (int at = from; at < words.length; at++) {
        String[] parts = words[at].split("=", 2);
        int number = Integer.parseInt(parts[0]);
        byte[] bytes = HEX.parseHex(parts[1]);
        String text = new String(bytes, StandardCharsets.US_ASCII);
        values.add(switch (held.get(number)) {
          case BINARY -> new Value(number, null, bytes);
          case HEX_TEXT -> new Value(number, parts[1].toUpperCase(), null);
          case TRACK -> new Value(number, text.replace('D', '='), null);
          case TEXT -> new Value(number, text, null);
        });
      }
      return values;
    }

    byte[] encode(String mti, List<Value> values) throws ISOException {
      ISOMsg message = new ISOMsg();
      message.setPackager(packager());
      message.setMTI(mti);
      for (Value value : values) {
        if (value.bytes() == null) {
          message.set(value.number(), value.text());
        } else {
          message.set(value.number(), value.bytes());
        }
      }
      return message.pack();
    }

    ISOMsg decode(byte[] wire) throws ISOException {
      ISOMsg message = new ISOMsg();
      message.setPackager(packager());
      message.unpack(wire);
      return message;
    }

    String shown(byte[] wire) throws ISOException {
      ISOMsg message = decode(wire);
      StringBuilder answer = new StringBuilder(message.getMTI());
      for (int number = 2; number <= message.getMaxField(); number++) {
        if (number != 65 && message.hasField(number)) {
          answer.append(' ').append(number).append('=').append(shown(message, number));
        }
      }
      return answer.toString();
    }

    private String shown(ISOMsg message, int number) {
      return switch (held.get(number)) {
        case BINARY -> HEX.formatHex(message.getBytes(number));
        case HEX_TEXT -> message.getString(number).toLowerCase();
        case TRACK -> inHex(message.getString(number).replace('=', 'D'));
        case TEXT -> inHex(message.getString(number));
      };
    }

    private static String inHex(String text) {
      return HEX.formatHex(text.getBytes(StandardCharsets.US_ASCII));
    }
  }
}
