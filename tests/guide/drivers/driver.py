import pathlib, sys

folder = pathlib.Path(sys.argv[1])
headers = dict(line.split(": ", 1) for line in (folder / "headers").read_text().strip().split("\n"))
body, secret = (folder / "body").read_bytes(), (folder / "secret").read_text().strip()
now = int((folder / "now").read_text())
print(f"standard={str(verify_standard(body, headers, secret, now)).lower()} klen={str(verify_klen(body, headers, secret)).lower()}")
