$folder = $argv[1];
$headers = [];
foreach (explode("\n", trim(file_get_contents("$folder/headers"))) as $line) {
    [$name, $value] = explode(': ', $line, 2);
    $headers[$name] = $value;
}
$body = file_get_contents("$folder/body");
$secret = trim(file_get_contents("$folder/secret"));
$now = (int) file_get_contents("$folder/now");
$words = fn (bool $b) => $b ? 'true' : 'false';
echo 'standard=' . $words(verify_standard($body, $headers, $secret, $now)) . ' klen=' . $words(verify_klen($body, $headers, $secret)) . "\n";
