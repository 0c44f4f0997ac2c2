folder = ARGV.fetch(0)
headers = File.read("#{folder}/headers").strip.split("\n").to_h { |line| line.split(': ', 2) }
body = File.binread("#{folder}/body")
secret = File.read("#{folder}/secret").strip
now = File.read("#{folder}/now").to_i
puts "standard=#{verify_standard(body, headers, secret, now: now)} klen=#{verify_klen(body, headers, secret)}"
