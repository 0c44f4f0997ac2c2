import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;

class Driver {
    public static void main(String[] arguments) throws Exception {
        var folder = Path.of(arguments[0]);
        var headers = new HashMap<String, String>();
        for (var line : Files.readString(folder.resolve("headers")).strip().split("\n")) {
            var parts = line.split(": ", 2);
            headers.put(parts[0], parts[1]);
        }
        var body = Files.readAllBytes(folder.resolve("body"));
        var secret = Files.readString(folder.resolve("secret")).strip();
        var now = Long.parseLong(Files.readString(folder.resolve("now")).strip());
        System.out.println("standard=" + WebhookVerifier.verifyStandard(body, headers, secret, now, 300)
            + " klen=" + WebhookVerifier.verifyKlen(body, headers, secret));
    }
}
