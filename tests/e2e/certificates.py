"""Certificates for tests, made by openssl."""

import pathlib
import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60)


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, directory, name):
        self.directory = pathlib.Path(directory)
        self.cert, self.key = self._paths(name)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def _paths(self, name):
        return str(self.directory / f"{name}.crt"), str(self.directory / f"{name}.key")

    def issue(self, name, subject="IP:127.0.0.1", days=2):
        """Returns the paths of a new certificate and of its key. -1 days: it has expired."""
        cert, key = self._paths(name)
        request, extensions = cert + ".csr", self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName = {subject}\n", encoding="ascii")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                "-CAcreateserial", "-days", str(days), "-extfile", str(extensions), "-out", cert)
        return cert, key
