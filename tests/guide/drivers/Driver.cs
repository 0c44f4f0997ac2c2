using System;
using System.Collections.Generic;
using System.IO;

static class Driver
{
    static void Main(string[] arguments)
    {
        string Text(string name) => File.ReadAllText(Path.Combine(arguments[0], name)).Trim();
        var headers = new Dictionary<string, string>();
        foreach (var line in Text("headers").Split('\n'))
        {
            var parts = line.Split(": ", 2);
            headers[parts[0]] = parts[1];
        }
        var body = File.ReadAllBytes(Path.Combine(arguments[0], "body"));
        var standard = WebhookVerifier.VerifyStandard(body, headers, Text("secret"), long.Parse(Text("now")));
        var klen = WebhookVerifier.VerifyKlen(body, headers, Text("secret"));
        Console.WriteLine($"standard={(standard ? "true" : "false")} klen={(klen ? "true" : "false")}");
    }
}
