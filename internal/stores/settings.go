package stores

// Settings describe a store, and how to log in to it.
//
//	file:///data/inbox                   a folder that exists
//	file:///data/reports?create_dir=true a folder that is created when it is missing
//	file://./inbox                       relative to the working directory
//	s3://bucket?region=us-ashburn-1&endpoint=https://NAMESPACE.compat.objectstorage.us-ashburn-1.oraclecloud.com
//	                                     S3, or what is compatible with it; also prefix, profile, path_style
//	sftp://user@host:22/outgoing         a folder of an SFTP server; /~/outgoing is in the user's own folder
//	mem://                               for tests: lost with the process
type Settings struct {
	URL string

	// Of S3. When they are empty, the AWS SDK uses its default sources.
	AccessKey, SecretKey string

	// Of SFTP: a key or a password or both to log in, and a known_hosts file or the fingerprint of the
	// server's key, "SHA256:...", to verify the server.
	KeyFile, KeyPassphrase, Password string
	KnownHosts, Fingerprint          string

	// Further names of files that are not to be uploaded with their folder, as patterns of [path.Match]: others are
	// still writing them; nobody means them.
	Unfinished, Ignored []string
}
