import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;

/** Reads the schemas and framed values of a folder; see mod.rs for what it prints. */
public class AvroReader {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Map<String, BinaryMessageDecoder<GenericRecord>> decoders = new TreeMap<>();
        List<Path> files;
        try (var entries = Files.list(folder)) {
            files = entries.filter(path -> path.toString().endsWith(".avsc")).sorted().toList();
        }
        for (Path file : files) {
            String name = file.getFileName().toString().replace(".avsc", "");
            Schema schema = new Schema.Parser().parse(Files.readString(file));
            decoders.put(name, new BinaryMessageDecoder<>(GenericData.get(), schema));
            System.out.printf("schema %s %016x %s%n", name, SchemaNormalization.parsingFingerprint64(schema),
                SchemaNormalization.toParsingForm(schema));
        }
        for (String line : Files.readAllLines(folder.resolve("values.txt"))) {
            String[] words = line.split(" ");
            try {
                GenericRecord value = decoders.get(words[0]).decode(HexFormat.of().parseHex(words[1]));
                System.out.printf("value %s %s%n", words[0], value.get(0));
            } catch (Exception refusal) {
                System.out.printf("refused %s %s%n", words[0], refusal);
            }
        }
    }
}
