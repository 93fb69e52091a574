// SPDX-License-Identifier: GPL-2.0-or-later

import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A client in Java, with the libraries that Java's programs use. Names are found by the JVM's own
 * hosts file (-Djdk.net.hosts.file).
 *
 *   Client pg URL        prints the answer to a query
 *   Client http URL CA   prints what a GET gives
 */
class Client {
	static String query(String url) throws Exception {
		try (Connection connection = DriverManager.getConnection(url);
				ResultSet rows = connection.createStatement().executeQuery("select 7")) {
			rows.next();
			return rows.getString(1);
		}
	}

	static SSLContext trusting(String ca) throws Exception {
		KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
		trusted.load(null, null);
		try (InputStream pem = new FileInputStream(ca)) {
			trusted.setCertificateEntry("ca",
				CertificateFactory.getInstance("X.509").generateCertificate(pem));
		}
		TrustManagerFactory managers =
			TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		managers.init(trusted);
		SSLContext context = SSLContext.getInstance("TLS");
		context.init(null, managers.getTrustManagers(), null);
		return context;
	}

	static String get(String url, String ca) throws Exception {
		HttpClient.Builder client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1);
		if (!ca.isEmpty())
			client.sslContext(trusting(ca));
		HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
		return client.build().send(request, HttpResponse.BodyHandlers.ofString()).body();
	}

	public static void main(String[] args) throws Exception {
		System.out.print(args[0].equals("pg") ? query(args[1]) : get(args[1], args[2]));
	}
}
