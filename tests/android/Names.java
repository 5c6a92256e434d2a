import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** Reads the names of apps as Gradle does: the first argument takes a line for each of the other files. */
public final class Names {
    public static void main(String[] files) throws Exception {
        List<String> names = new ArrayList<>();
        for (int place = 1; place < files.length; place++) {
            Properties bundle = new Properties();
            try (FileInputStream stream = new FileInputStream(files[place])) {
                bundle.load(stream);
            }
            names.add(bundle.getProperty("appName"));
        }
        Files.write(Path.of(files[0]), names);
    }
}
