# SPDX-License-Identifier: Apache-2.0
"""The servers of tests/servers/run: how each is configured and started inside the root, on which ports it listens,
and what a banner of it must say. One address per server, so that two of a kind can have their usual port.

Everything here is data. A command is a list of words run inside the root; @A stands for the server's address, @U for
the same in brackets when it is an IPv6 one, @D for its own directory /srv/run/NAME, which exists and belongs to its user. In expectations {v} is the version of its
package, as dpkg in the root knows it: nothing that changes with an update is written down."""


class Port:
    """One service of a server: on its usual port and on one of 31xxx.

    text: {application: regular expression that the banner's text must match}
    fields: {application: {key: regular expression}}, the structured fields that must be there
    cert: whose certificate must come back, byte for byte: the name of a file in /srv/tls
    """

    def __init__(self, what, usual, high, text, fields=None, cert=None):
        self.what, self.usual, self.high = what, usual, high
        self.text, self.fields, self.cert = text, fields or {}, cert


class Server:
    """commands: each is one process that stays; prepare: shell lines run before, as root; user: who runs the commands;
    owner: whose its directory is; name_asked: trawl is given this host name in the place of the address."""

    def __init__(self, name, host, package, ports, commands, files=None, prepare="", user="root", owner="", env=None,
                 name_asked="", v6=False):
        self.name, self.host, self.package, self.ports = name, host, package, ports
        self.commands, self.files, self.prepare = commands, files or {}, prepare
        self.user, self.owner, self.env = user, owner or user, env or {}
        self.name_asked = name_asked
        self.v6, self.address = v6, ("fd00:77::%x" if v6 else "10.77.0.%d") % host

    def put_in(self, text):
        in_brackets = "[%s]" % self.address if self.v6 else self.address
        return text.replace("@A", self.address).replace("@U", in_brackets).replace("@D", "/srv/run/" + self.name)


def shell(text):
    return ["/bin/sh", "-c", text]


# What a TLS service must say beside its own words: version, cipher, the certificate's names in the order found.
RSA_NAMES = r"rsa\.trawl\.test, rsa\.trawl\.test, www\.trawl\.test"
ECDSA_NAMES = r"ecdsa\.trawl\.test, ecdsa\.trawl\.test, \*\.trawl\.test"
TLS_RSA = {"ssl": r"^TLS/1\.[23] cipher:0x[0-9a-f]{4}, " + RSA_NAMES}
TLS_ECDSA = {"ssl": r"^TLS/1\.[23] cipher:0x[0-9a-f]{4}, " + ECDSA_NAMES}
TLS12_RSA = {"ssl": r"^TLS/1\.2 cipher:0x[0-9a-f]{4}, " + RSA_NAMES}
TLS13_ECDSA = {"ssl": r"^TLS/1\.3 cipher:0x130[0-9a-f], " + ECDSA_NAMES}


def tls(words, **more):
    """A service inside TLS, or one that STARTTLS leads to: the certificate's banner and its own."""
    both = dict(words)
    both.update(more)
    return both


# ---- the web ----
def nginx_conf(protocols, cert):
    return """
user www-data; worker_processes 1; daemon off; pid @D/pid; error_log stderr;
events { worker_connections 512; }
http {
        access_log off; default_type text/html; gzip on; gzip_min_length 1;
        root /var/www/html; index index.nginx-debian.html;
        server { listen @U:80; listen @U:31080; }
        server {
                listen @U:443 ssl http2; listen @U:31443 ssl http2;
                ssl_protocols %s; ssl_certificate /srv/tls/%s.pem; ssl_certificate_key /srv/tls/%s.key;
        }
}
""" % (protocols, cert, cert)


def web(server, title):
    return {"http": r"^HTTP/1\.1 200 OK\r\n(?s:.*)[Ss]erver: " + server, "http.server": "^" + server, "title": title}


WEB_FIELDS = {"http": {"status": "^200$", "version": r"^1\.1$", "title": "."}}
NGINX = web("nginx/{v}", "^Welcome to nginx!$")
NGINX_CMD = [["/usr/sbin/nginx", "-e", "stderr", "-c", "@D/nginx.conf"]]

APACHE_CONF = """
ServerRoot /etc/apache2
ServerName apache.trawl.test
PidFile @D/pid
Mutex file:@D default
ErrorLog /dev/stderr
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
TypesConfig /dev/null
AddType text/html .html
AddOutputFilterByType DEFLATE text/html
DocumentRoot /var/www/html
DirectoryIndex index.html
<Location />
        Require all granted
</Location>
Listen @A:80
Listen @A:31080
Listen @A:443
Listen @A:31443
<VirtualHost @A:443 @A:31443>
        ServerName apache.trawl.test
        SSLEngine on
        SSLCertificateFile /srv/tls/rsa.pem
        SSLCertificateKeyFile /srv/tls/rsa.key
</VirtualHost>
<VirtualHost @A:443 @A:31443>
        ServerName www.trawl.test
        SSLEngine on
        SSLCertificateFile /srv/tls/ecdsa.pem
        SSLCertificateKeyFile /srv/tls/ecdsa.key
        DocumentRoot @D/www
</VirtualHost>
<VirtualHost @A:80 @A:31080>
        ServerName apache.trawl.test
</VirtualHost>
<VirtualHost @A:80 @A:31080>
        ServerName www.trawl.test
        DocumentRoot @D/www
</VirtualHost>
"""
# A site known by its name only: who asks by address gets another title and another certificate.
APACHE = web(r"Apache/{v} \(Debian\)", r"^The site of the name \& more$")

WEB = [
    Server("nginx-tls12", 10, "nginx", [
        Port("HTTP", 80, 31080, NGINX, fields=WEB_FIELDS),
        Port("HTTPS, TLS 1.2 only", 443, 31443, tls(NGINX, **TLS12_RSA), cert="rsa", fields=WEB_FIELDS),
    ], NGINX_CMD, {"nginx.conf": nginx_conf("TLSv1.2", "rsa")}),
    Server("nginx-tls13", 11, "nginx", [
        Port("HTTP", 80, 31080, NGINX, fields=WEB_FIELDS),
        Port("HTTPS, TLS 1.3 only", 443, 31443, tls(NGINX, **TLS13_ECDSA), cert="ecdsa", fields=WEB_FIELDS),
    ], NGINX_CMD, {"nginx.conf": nginx_conf("TLSv1.3", "ecdsa")}),
    Server("nginx-ipv6", 41, "nginx", [
        Port("HTTP", 80, 31080, NGINX, fields=WEB_FIELDS),
        Port("HTTPS", 443, 31443, tls(NGINX, **TLS_RSA), cert="rsa", fields=WEB_FIELDS),
    ], NGINX_CMD, {"nginx.conf": nginx_conf("TLSv1.2 TLSv1.3", "rsa")}, v6=True),
    Server("apache2", 12, "apache2", [
        Port("HTTP, by name", 80, 31080, APACHE, fields=WEB_FIELDS),
        Port("HTTPS, by name", 443, 31443, tls(APACHE, **TLS_ECDSA), cert="ecdsa", fields=WEB_FIELDS),
    ], [["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", "@D/apache2.conf"]], {"apache2.conf": APACHE_CONF},
           prepare="mkdir -p @D/www; echo '<!doctype html><title>The site of the name &amp; more</title>' >@D/www/index.html",
           name_asked="www.trawl.test"),
]

# ---- logging in ----
def openssh(name, host, v6=False):
    return Server(name, host, "openssh-server", [
        Port("SSH", 22, 31022, {"ssh": r"^SSH-2\.0-OpenSSH_{v}"}, fields={
            "ssh": {"software": "^OpenSSH_{v}", "product": "^OpenSSH$", "os": "^Debian$", "kex": "^curve25519-sha256$",
                    "ciphers": "^aes256-ctr$", "hassh_server": "^[0-9a-f]{32}$"}}),
    ], [["/usr/sbin/sshd", "-D", "-e", "-f", "@D/sshd_config"]], {"sshd_config": """
ListenAddress @U:22
ListenAddress @U:31022
PidFile none
"""}, prepare="mkdir -p /run/sshd; ssh-keygen -A", v6=v6)


SHELLS = [
    openssh("openssh", 13),
    openssh("openssh-ipv6", 42, v6=True),
    Server("dropbear", 14, "dropbear-bin", [
        Port("SSH", 22, 31022, {"ssh": r"^SSH-2\.0-dropbear_{v}"}, fields={
            "ssh": {"software": "^dropbear_{v}$", "product": "^dropbear$", "kex": "^curve25519-sha256$"}}),
    ], [["/usr/sbin/dropbear", "-F", "-E", "-r", "@D/key", "-P", "@D/pid", "-p", "@A:22", "-p", "@A:31022"]],
           prepare="dropbearkey -t ed25519 -f @D/key"),
    Server("telnetd", 23, "inetutils-telnetd", [
        Port("Telnet", 23, 31023, {"telnet": r"login: ?$"}),
    ], [["/usr/sbin/xinetd", "-dontfork", "-pidfile", "@D/pid", "-f", "@D/xinetd.conf"]], {"xinetd.conf": "".join("""
service telnet-%d
{
        type = UNLISTED
        socket_type = stream
        protocol = tcp
        wait = no
        user = root
        bind = @A
        port = %d
        server = /usr/sbin/telnetd
        instances = 50
        per_source = 50
        cps = 100 1
}
""" % (port, port) for port in (23, 31023))}),
    Server("xrdp", 24, "xrdp", [
        Port("RDP", 3389, 31389, tls({"rdp": r"^ NLA-unused"}, **TLS_RSA), cert="rsa",
             fields={"rdp": {"tls": "^true$", "nla": "^false$"}}),
    ], [["/usr/sbin/xrdp", "--nodaemon", "--config", "@D/xrdp.ini"]], {"xrdp.ini": """
[Globals]
ini_version=1
fork=true
port=tcp://@A:3389 tcp://@A:31389
security_layer=negotiate
crypt_level=high
certificate=/srv/tls/rsa.pem
key_file=/srv/tls/rsa.key
ssl_protocols=TLSv1.2, TLSv1.3
autorun=
[Logging]
LogFile=@D/log
LogLevel=INFO
EnableSyslog=false
[Xorg]
name=Xorg
lib=libxup.so
ip=127.0.0.1
port=-1
"""}, prepare="mkdir -p /run/xrdp/sockdir"),
]

# ---- files ----
VSFTPD = """
listen=YES
listen_address=@A
listen_port=%d
anonymous_enable=YES
background=NO
secure_chroot_dir=/run/vsftpd/empty
ssl_enable=YES
rsa_cert_file=/srv/tls/rsa.pem
rsa_private_key_file=/srv/tls/rsa.key
"""

PROFTPD = """
ServerType standalone
ServerName "files of the lab"
DefaultAddress @A
SocketBindTight on
UseIPv6 off
Port 21
User nobody
Group nogroup
ModulePath /usr/lib/proftpd
LoadModule mod_tls.c
PidFile @D/pid
ScoreboardFile @D/scoreboard
WtmpLog off
AuthOrder mod_auth_file.c
<Global>
TLSEngine on
TLSRSACertificateFile /srv/tls/rsa.crt
TLSRSACertificateKeyFile /srv/tls/rsa-private.key
TLSCertificateChainFile /srv/tls/ca.crt
</Global>
<VirtualHost @A>
Port 31021
</VirtualHost>
<VirtualHost @A>
Port 990
TLSOptions UseImplicitSSL
</VirtualHost>
<VirtualHost @A>
Port 31990
TLSOptions UseImplicitSSL
</VirtualHost>
"""
PROFTPD_WORDS = {"ftp": r"^220 ProFTPD Server \(files of the lab\) \[10\.77\.0\.16\]"}

SAMBA = """
[global]
server role = standalone server
netbios name = %s
workgroup = TRAWLERS
server string = a file server of the lab
interfaces = @A/24
bind interfaces only = yes
smb ports = 445 139 31445 31139
server min protocol = %s
server max protocol = %s
map to guest = Bad User
load printers = no
disable spoolss = yes
private dir = @D/private
lock directory = @D/lock
state directory = @D/state
cache directory = @D/cache
pid directory = @D/pid
ncalrpc dir = @D/ncalrpc
usershare path =
log file = @D/log
[public]
path = /tmp
guest ok = yes
"""


def samba(name, host, lowest, highest, words, fields):
    return Server("samba-" + name, host, "samba", [
        Port("SMB", 445, 31445, {"smb": words}, fields=fields),
        Port("SMB over NetBIOS", 139, 31139, {"smb": words}, fields=fields),
    ], [["/usr/sbin/smbd", "-F", "--no-process-group", "-s", "@D/smb.conf"]],
                  {"smb.conf": SAMBA % ("LAB" + name.upper(), lowest, highest)},
                  prepare="cd @D; mkdir private lock state cache pid ncalrpc; chmod 700 private")


FILES = [
    Server("vsftpd", 15, "vsftpd", [
        Port("FTP, AUTH TLS", 21, 31021, tls({"ftp": r"^220 \(vsFTPd {v}\)"}, **TLS_RSA), cert="rsa",
             fields={"ftp": {"code": "^220$", "auth_tls": "^true$"}}),
    ], [["/usr/sbin/vsftpd", "@D/usual.conf"], ["/usr/sbin/vsftpd", "@D/high.conf"]],
           {"usual.conf": VSFTPD % 21, "high.conf": VSFTPD % 31021}, prepare="mkdir -p /run/vsftpd/empty"),
    Server("proftpd", 16, "proftpd-core", [
        Port("FTP, AUTH TLS", 21, 31021, tls(PROFTPD_WORDS, **TLS_RSA), cert="rsa",
             fields={"ftp": {"code": "^220$", "auth_tls": "^true$"}}),
        Port("FTP in TLS", 990, 31990, tls(PROFTPD_WORDS, **TLS_RSA), cert="rsa"),
    ], [["/usr/sbin/proftpd", "-n", "-c", "@D/proftpd.conf"]], {"proftpd.conf": PROFTPD}),
    samba("v1", 20, "NT1", "NT1", r"SMBv1 .*domain=TRAWLERS|SMBv1 .*name=LABV1",
          {"smb": {"dialect": r"^NT LM 0\.12$"}}),
    samba("v1to3", 22, "NT1", "SMB3", r"SMBv[12] .*LABV1TO3", {"smb": {"dialect": r"^3\.1\.1$"}}),
    samba("v3", 21, "SMB3_00", "SMB3", r"SMBv2 .*LABV3", {"smb": {"dialect": r"^3\.1\.1$"}}),
]

# ---- mail ----
DOVECOT = """
protocols = imap pop3
listen = @A
base_dir = @D/base
log_path = /dev/stderr
ssl = yes
ssl_cert = </srv/tls/rsa.pem
ssl_key = </srv/tls/rsa.key
mail_location = maildir:/tmp/mail
passdb {
  driver = passwd-file
  args = @D/users
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/tmp
}
service imap-login {
  inet_listener imap {
    port = 143
  }
  inet_listener imaps {
    port = 993
    ssl = yes
  }
  inet_listener imap_high {
    port = 31143
  }
  inet_listener imaps_high {
    port = 31993
    ssl = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = 110
  }
  inet_listener pop3s {
    port = 995
    ssl = yes
  }
  inet_listener pop3_high {
    port = 31110
  }
  inet_listener pop3s_high {
    port = 31995
    ssl = yes
  }
}
"""
IMAP = {"imap": r"^\* OK (?s:.*)Dovecot \(Debian\) ready\."}
POP3 = {"pop": r"^\+OK Dovecot \(Debian\) ready\."}

POSTFIX_MASTER = "".join("@A:%d inet n - n - - smtpd %s\n" % (port, more) for port, more in (
    (25, ""), (31025, ""), (587, "-o smtpd_tls_security_level=encrypt"),
    (31587, "-o smtpd_tls_security_level=encrypt"), (465, "-o smtpd_tls_wrappermode=yes"),
    (31465, "-o smtpd_tls_wrappermode=yes"))) + """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.trawl.test
mydestination = mail.trawl.test
inet_interfaces = @A
inet_protocols = ipv4
smtpd_tls_cert_file = /srv/tls/rsa.pem
smtpd_tls_key_file = /srv/tls/rsa.key
smtpd_tls_security_level = may
maillog_file = /dev/stdout
alias_maps =
alias_database =
"""
POSTFIX_FIELDS = {"smtp": {"hostname": r"^mail\.trawl\.test$", "extensions": "^PIPELINING$", "starttls": "^true$"}}
POSTFIX = {"smtp": r"^220 mail\.trawl\.test ESMTP Postfix(?s:.*)250[ -]"}

# Debian 12's OpenSMTPD cannot sign with OpenSSL 3: it offers STARTTLS and then breaks off. Its words must survive that.
SMTPD = """
pki mail cert "/srv/tls/ecdsa.pem"
pki mail key "/srv/tls/ecdsa-private.key"
listen on @A port 25 tls pki mail hostname open.trawl.test
listen on @A port 31025 tls pki mail hostname open.trawl.test
action "keep" mbox
match for local action "keep"
"""
SMTPD_WORDS = {"smtp": r"^220 open\.trawl\.test ESMTP OpenSMTPD(?s:.*)250[ -]"}

INN = """
pathhost: news.trawl.test
domain: trawl.test
mta: "/usr/sbin/sendmail -oi -oem %s"
hismethod: hisv6
enableoverview: true
ovmethod: tradindexed
pathnews: /usr/lib/news
pathetc: /etc/news
patharticles: @D/articles
pathoverview: @D/overview
pathdb: @D/db
pathrun: @D/run
pathlog: @D/log
pathspool: @D
pathtmp: @D/tmp
tlscertfile: /srv/tls/rsa.pem
tlskeyfile: @D/key.pem
"""
INN_READERS = """
auth "any" {
        hosts: "*"
        default: "<any>"
        auth: "ckpasswd -f @D/passwd"
}
access "any" {
        users: "<any>"
        newsgroups: "*"
        access: R
}
"""
NEWS = {"nntp": r"^20[01] news\.trawl\.test InterNetNews NNRP server INN {v}(?s:.*)\n101 (?s:.*)\nREADER\n"}
NEWS_FIELDS = {"hostname": r"^news\.trawl\.test$", "product": "^INN$", "version": "^{v}$", "capabilities": "^READER$"}

MAIL = [
    Server("dovecot", 17, "dovecot-core", [
        Port("IMAP, STARTTLS", 143, 31143, tls(IMAP, **TLS_RSA), cert="rsa",
             fields={"imap": {"capabilities": "^IMAP4rev1$", "starttls": "^true$"}}),
        Port("IMAP in TLS", 993, 31993, tls(IMAP, **TLS_RSA), cert="rsa",
             fields={"imap": {"capabilities": "^IMAP4rev1$", "auth": "^PLAIN$"}}),
        Port("POP3, STLS", 110, 31110, tls(POP3, **TLS_RSA), cert="rsa",
             fields={"pop": {"capabilities": "^UIDL$", "stls": "^true$"}}),
        Port("POP3 in TLS", 995, 31995, tls(POP3, **TLS_RSA), cert="rsa", fields={"pop": {"capabilities": "^UIDL$"}}),
    ], [["/usr/sbin/dovecot", "-F", "-c", "@D/dovecot.conf"]], {"dovecot.conf": DOVECOT, "users": ""}),
    Server("postfix", 18, "postfix", [
        Port("SMTP, STARTTLS", 25, 31025, tls(POSTFIX, **TLS_RSA), cert="rsa", fields=POSTFIX_FIELDS),
        Port("SMTP submission, STARTTLS", 587, 31587, tls(POSTFIX, **TLS_RSA), cert="rsa", fields=POSTFIX_FIELDS),
        Port("SMTP in TLS", 465, 31465, tls(POSTFIX, **TLS_RSA), cert="rsa",
             fields={"smtp": {"hostname": r"^mail\.trawl\.test$", "extensions": "^PIPELINING$"}}),
    ], [["/usr/sbin/postfix", "start-fg"]], {"main.cf": POSTFIX_MAIN, "master.cf": POSTFIX_MASTER},
           prepare="cp @D/main.cf @D/master.cf /etc/postfix/"),
    Server("opensmtpd", 40, "opensmtpd", [
        Port("SMTP, STARTTLS fails", 25, 31025, SMTPD_WORDS,
             fields={"smtp": {"hostname": r"^open\.trawl\.test$", "starttls": "^true$"}}),
    ], [["/usr/sbin/smtpd", "-d", "-f", "@D/smtpd.conf"]], {"smtpd.conf": SMTPD},
           prepare="mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty; chmod 711 /var/spool/smtpd"),
    Server("inn2", 43, "inn2", [
        Port("NNTP, STARTTLS", 119, 31119, tls(NEWS, **TLS_RSA), cert="rsa",
             fields={"nntp": dict(NEWS_FIELDS, starttls="^true$", after_starttls="^true$")}),
        Port("NNTP in TLS", 563, 31563, tls(NEWS, **TLS_RSA), cert="rsa", fields={"nntp": NEWS_FIELDS}),
    ], [["/usr/lib/news/bin/nnrpd", "-D", "-f", "-4", "@A", "-c", "@D/readers.conf", "-p", port] + more
        for port, more in (("119", []), ("31119", []), ("563", ["-S"]), ("31563", ["-S"]))],
           {"inn.conf": INN, "readers.conf": INN_READERS, "passwd": ""}, owner="news", env={"INNCONF": "@D/inn.conf"},
           prepare="mkdir @D/articles @D/overview @D/db @D/run @D/log @D/tmp; install -m 600 /srv/tls/rsa.key @D/key.pem; "
                   "cp /usr/lib/news/examples/active /usr/lib/news/examples/newsgroups @D/db; "
                   "chown -R news: @D; /usr/lib/news/bin/makehistory -O"),
]

# ---- desktops ----
X11_OPEN = {"x11": r"The X\.Org Foundation"}
DESKTOPS = [
    Server("tigervnc", 25, "tigervnc-standalone-server", [
        Port("VNC: none, password, TLS", 5900, 31590,
             {"vnc": r"^RFB 003\.008", "vnc-info": r"Security types:\n(?s:.*)none(?s:.*)VNC-chap"}, fields={
                 "vnc": {"version": r"^3\.8$|^003\.008$"},
                 "vnc-info": {"open_to_anyone": "^true$", "security_types": "^VNC-chap$"}}),
    ], [["/usr/bin/Xtigervnc", ":%d" % display, "-rfbport", str(port), "-interface", "@A", "-desktop", "a desk",
         "-SecurityTypes", "None,VncAuth,TLSVnc", "-PasswordFile", "@D/password", "-geometry", "640x480", "-depth", "16"]
        for display, port in ((10, 5900), (11, 31590))],
           prepare="head -c 8 /dev/urandom >@D/password; mkdir -p -m 1777 /tmp/.X11-unix"),
    Server("x11vnc", 26, "x11vnc", [
        Port("VNC: no password", 5900, 31590, {"vnc": r"^RFB 003\.008", "vnc-info": r"Security types:\n(?s:.*)none"},
             fields={"vnc-info": {"open_to_anyone": "^true$"}}),
        Port("VNC: password", 5901, 31591, {"vnc": r"^RFB 003\.008", "vnc-info": r"Security types:\n(?s:.*)VNC-chap"}),
    ], [["/usr/bin/Xvfb", ":12", "-screen", "0", "640x480x16", "-nolisten", "tcp"]] + [
        shell("until [ -S /tmp/.X11-unix/X12 ]; do sleep 0.1; done; exec x11vnc -display :12 -listen @A -no6 "
              "-rfbport %d -forever -shared -noxdamage -noipv6 %s" % (port, "-nopw" if port % 10 == 0 else "-rfbauth @D/password"))
        for port in (5900, 31590, 5901, 31591)],
           prepare="x11vnc -storepasswd secret @D/password; mkdir -p -m 1777 /tmp/.X11-unix"),
    Server("Xvfb", 34, "xvfb", [
        Port("X11, anyone may", 6000, 31034, X11_OPEN, fields={"x11": {"vendor": r"^The X\.Org Foundation$"}}),
        Port("X11, refused", 6001, 31035, {"x11": r"[Nn]o protocol specified|[Aa]uthorization required"}),
    ], [["/usr/bin/Xvfb", ":%d" % display, "-screen", "0", "640x480x16", "-listen", "tcp", "-noreset"] + more
        for display, more in ((0, ["-ac"]), (25034, ["-ac"]), (1, []), (25035, []))],
           prepare="mkdir -p -m 1777 /tmp/.X11-unix"),
]

# ---- databases and queues ----
MARIADB_USER = "CREATE OR REPLACE USER scanner@'%' ACCOUNT LOCK;\n"

POSTGRES = "/usr/lib/postgresql/15/bin/postgres -D @D/%s -c listen_addresses=@A -c port=%d " \
    "-c unix_socket_directories=@D -c ssl=on -c ssl_cert_file=/srv/tls/rsa.pem -c ssl_key_file=/srv/tls/postgres.key"

REDIS = ["/usr/bin/redis-server", "--bind", "@A", "--protected-mode", "no", "--save", "", "--dir", "@D",
         "--tls-cert-file", "/srv/tls/rsa.pem", "--tls-key-file", "/srv/tls/rsa.key", "--tls-auth-clients", "no"]
REDIS_FIELDS = {"redis": {"product": "^Redis$", "version": "^{v}$", "mode": "^standalone$"}}
REDIS_WORDS = {"redis": r"{v}"}

SLAPD = """
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile @D/pid
argsfile @D/args
TLSCertificateFile /srv/tls/rsa.pem
TLSCertificateKeyFile /srv/tls/rsa.key
TLSVerifyClient never
database mdb
maxsize 16777216
suffix "dc=trawl,dc=test"
rootdn "cn=admin,dc=trawl,dc=test"
directory @D/db
"""
LDAP_FIELDS = {"ldap": {"product": "^OpenLDAP$", "naming_contexts": "^dc=trawl,dc=test$", "supported_versions": "^3$"}}
LDAP = {"ldap": r"dc=trawl,dc=test"}

MQTT_FIELDS = {"mqtt": {"return_code": "^0$"}}
RABBIT = """
listeners.tcp.1 = @A:5672
listeners.tcp.2 = @A:31672
listeners.ssl.1 = @A:5671
listeners.ssl.2 = @A:31671
ssl_options.certfile = /srv/tls/rsa.pem
ssl_options.keyfile = /srv/tls/rsa.key
ssl_options.verify = verify_none
log.console = true
log.file = false
"""
AMQP_FIELDS = {"amqp": {"product": "^RabbitMQ$", "version": "^{v}$"}}
AMQP = {"amqp": r"^AMQP 0-9-1 .*RabbitMQ.*{v}|^AMQP 0-9-1 .*{v}.*RabbitMQ"}

DATA = [
    Server("memcached", 19, "memcached", [
        Port("memcached", 11211, 31211, {"memcached": r"^uptime=\d+ time=\d+ version={v} "},
             fields={"memcached": {"version": "^{v}$"}}),
    ], [["/usr/bin/memcached", "-u", "nobody", "-U", "0", "-l", "@A:11211,@A:31211"]]),
    Server("mariadb", 27, "mariadb-server", [
        Port("MySQL protocol, TLS", 3306, 31306, tls({"mysql": r"{v}-MariaDB"}, **TLS_RSA), cert="rsa", fields={
            "mysql": {"product": "^MariaDB$", "version": "^{v}-MariaDB", "ssl": "^true$", "auth_plugin": "^mysql_native_password$"}}),
    ], [["/usr/sbin/mariadbd", "--no-defaults", "--user=mysql", "--datadir=/var/lib/mysql", "--bind-address=@A", "--port=3306",
         "--extra-port=31306", "--socket=@D/socket", "--pid-file=@D/pid", "--skip-name-resolve",
         "--ssl-cert=/srv/tls/rsa.pem", "--ssl-key=/srv/tls/rsa.key", "--init-file=@D/users.sql"]],
           {"users.sql": MARIADB_USER}, user="mysql"),
    Server("postgresql", 28, "postgresql-15", [
        Port("PostgreSQL, TLS", 5432, 31432, tls({"postgres": r"."}, **TLS_RSA), cert="rsa",
             fields={"postgres": {"ssl": "^true$", "sasl_mechanisms": "^SCRAM-SHA-256$"}}),
    ], [shell("exec " + POSTGRES % (name, port)) for name, port in (("usual", 5432), ("high", 31432))],
           prepare="cd @D; for name in usual high; do setpriv --reuid postgres --regid postgres --clear-groups "
                   "/usr/lib/postgresql/15/bin/initdb -N -A scram-sha-256 --pwfile=/etc/hostname -D @D/$name >/dev/null; "
                   "echo 'host all all all scram-sha-256' >>@D/$name/pg_hba.conf; done", user="postgres"),
    Server("redis", 29, "redis-server", [
        Port("Redis", 6379, 31379, REDIS_WORDS, fields=REDIS_FIELDS),
        Port("Redis in TLS", 6380, 31380, tls(REDIS_WORDS, **TLS_RSA), cert="rsa", fields=REDIS_FIELDS),
        Port("Redis, password", 6381, 31381, {"redis": r"NOAUTH"}, fields={"redis": {"auth_required": "^true$"}}),
    ], [REDIS + ["--port", "6379", "--tls-port", "6380"], REDIS + ["--port", "31379", "--tls-port", "31380"],
        REDIS + ["--port", "6381", "--requirepass", "a secret"], REDIS + ["--port", "31381", "--requirepass", "a secret"]]),
    Server("slapd", 30, "slapd", [
        Port("LDAP, StartTLS", 389, 31389, tls(LDAP, **TLS_RSA), cert="rsa", fields=LDAP_FIELDS),
        Port("LDAP in TLS", 636, 31636, tls(LDAP, **TLS_RSA), cert="rsa", fields=LDAP_FIELDS),
    ], [["/usr/sbin/slapd", "-d", "0", "-f", "@D/slapd.conf", "-h",
         "ldap://@A:389/ ldap://@A:31389/ ldaps://@A:636/ ldaps://@A:31636/"]], {"slapd.conf": SLAPD}, prepare="mkdir @D/db"),
    Server("mosquitto", 31, "mosquitto", [
        Port("MQTT", 1883, 31883, {"mqtt": r"^MQTT 3\.1\.1 |^MQTT 5"}, fields=MQTT_FIELDS),
        Port("MQTT in TLS", 8883, 31884, tls({"mqtt": r"^MQTT 3\.1\.1 |^MQTT 5"}, **TLS_RSA), cert="rsa",
             fields=MQTT_FIELDS),
    ], [["/usr/sbin/mosquitto", "-c", "@D/mosquitto.conf"]], {"mosquitto.conf": "allow_anonymous true\n" + "".join(
        "listener %d @A\n%s" % (port, "certfile /srv/tls/rsa.pem\nkeyfile /srv/tls/rsa.key\n" if secure else "")
        for port, secure in ((1883, False), (31883, False), (8883, True), (31884, True)))}),
    Server("rabbitmq", 32, "rabbitmq-server", [
        Port("AMQP", 5672, 31672, AMQP, fields=AMQP_FIELDS),
        Port("AMQP in TLS", 5671, 31671, tls(AMQP, **TLS_RSA), cert="rsa", fields=AMQP_FIELDS),
    ], [["/usr/lib/rabbitmq/bin/rabbitmq-server"]], {"rabbitmq.conf": RABBIT}, user="rabbitmq",
           env={"RABBITMQ_CONFIG_FILE": "@D/rabbitmq.conf", "RABBITMQ_NODENAME": "rabbit@localhost", "HOME": "@D",
                "RABBITMQ_MNESIA_BASE": "@D/mnesia", "RABBITMQ_LOGS": "-", "RABBITMQ_ENABLED_PLUGINS_FILE": "@D/plugins",
                "RABBITMQ_PID_FILE": "@D/pid"}),
]

# ---- the rest ----
NAMED = """
options {
        directory "@D";
        pid-file none;
        session-keyfile none;
        listen-on port 53 { @A; };
        listen-on port 31053 { @A; };
        listen-on port 853 tls lab { @A; };
        listen-on port 31853 tls lab { @A; };
        listen-on-v6 { none; };
        recursion no;
        dnssec-validation no;
};
tls lab { cert-file "/srv/tls/rsa.pem"; key-file "/srv/tls/rsa.key"; };
controls { };
"""
PROSODY = """
interfaces = { "@A" }
c2s_ports = { 5222, 31222 }
c2s_direct_tls_ports = { 5223, 31223 }
s2s_ports = { 5269, 31269 }
modules_enabled = { "tls", "saslauth", "disco", "c2s", "s2s" }
authentication = "internal_hashed"
pidfile = "@D/pid"
data_path = "@D"
log = { info = "*console" }
c2s_direct_tls_ssl = { certificate = "/srv/tls/rsa.pem", key = "/srv/tls/rsa.key" }
ssl = { certificate = "/srv/tls/rsa.pem", key = "/srv/tls/rsa.key" }
VirtualHost "xmpp.trawl.test"
"""
DANTE = """
logoutput: stderr
internal: @A port = 1080
internal: @A port = 31080
external: @A
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
"""
KAMAILIO = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
listen=tcp:@A:5060
listen=tcp:@A:31060
auto_aliases=no
loadmodule "sl.so"
request_route {
        sl_send_reply("200", "OK");
}
"""
DNS = {"dns-ver": r"{v}"}
XMPP = {"xmpp": r"."}
OTHERS = [
    Server("bind9", 33, "bind9", [
        Port("DNS over TCP", 53, 31053, DNS, fields={"dns-ver": {"version": "^{v}"}}),
        Port("DNS in TLS", 853, 31853, tls(DNS, **TLS_RSA), cert="rsa", fields={"dns-ver": {"version": "^{v}"}}),
    ], [["/usr/sbin/named", "-u", "bind", "-g", "-n", "1", "-c", "@D/named.conf"]], {"named.conf": NAMED}, owner="bind"),
    Server("prosody", 35, "prosody", [
        Port("XMPP for clients, STARTTLS", 5222, 31222, tls(XMPP, **TLS_RSA), cert="rsa",
             fields={"xmpp": {"from": r"^xmpp\.trawl\.test$", "starttls": "^true$"}}),
        Port("XMPP in TLS", 5223, 31223, tls(XMPP, **TLS_RSA), cert="rsa",
             fields={"xmpp": {"from": r"^xmpp\.trawl\.test$", "auth": "^SCRAM-SHA-1$"}}),
    ], [["/usr/bin/prosody", "-F", "--config", "@D/prosody.cfg.lua"]], {"prosody.cfg.lua": PROSODY}, user="prosody",
           name_asked="xmpp.trawl.test"),
    Server("dante", 36, "dante-server", [
        Port("SOCKS", 1080, 31080, {"socks": r"^SOCKS5 "}, fields={"socks": {"version": "^5$"}}),
    ], [["/usr/sbin/danted", "-f", "@D/danted.conf", "-p", "@D/pid"]], {"danted.conf": DANTE}),
    Server("kamailio", 37, "kamailio", [
        Port("SIP over TCP", 5060, 31060, {"sip": r"^SIP/2\.0 200 OK(?s:.*)kamailio \({v}"},
             fields={"sip": {"status": "^200$"}}),
    ], [["/usr/sbin/kamailio", "-DD", "-E", "-f", "@D/kamailio.cfg", "-m", "64", "-M", "8", "-Y", "@D"]],
           {"kamailio.cfg": KAMAILIO}),
    Server("rtsp-server-perl", 38, "rtsp-server-perl", [
        Port("RTSP", 554, 31554, {"rtsp": r"^RTSP/1\.0 200 OK"}, fields={"rtsp": {"status": "^200$"}}),
    ], [["/usr/bin/rtsp-server-perl", "--client_listen_address", "@A", "--source_listen_address", "@A", "--clientport",
         str(port), "--serverport", str(port + 1000)] for port in (554, 31554)]),
    Server("rmiregistry", 39, "openjdk-17-jre-headless", [
        Port("Java RMI", 1099, 31099, {"rmi": r"^JRMI stream protocol$"},
             fields={"rmi": {"accepted": "^true$", "client_host": r"^10\.77\.0\.1$"}}),
    ], [shell("exec /usr/lib/jvm/java-17-*/bin/rmiregistry %d -J-Xmx32m -J-Djava.rmi.server.hostname=@A" % port)
        for port in (1099, 31099)]),
]

SERVERS = WEB + SHELLS + FILES + MAIL + DESKTOPS + DATA + OTHERS
