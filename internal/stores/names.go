package stores

import (
	"path"
	"slices"
	"strings"
)

// Names under which programs write a file before they give it its final one, as patterns of [path.Match] in lower
// case. curl, scp and FileZilla write under the final name: only a marker shows that such a file is complete.
var unfinishedNames = []string{
	"*.filepart", "*.part", "*.partial", "*.tmp", "*.temp", // WinSCP, ownCloud, rclone, and many more
	"*.crdownload", "*.download", "*.opdownload", "*.aria2", "*.!ut", "*.!qb", // browsers and peers
	"*.writing", "*.inprogress", "*.incomplete", "*.uploading", "*._copying_", // Spring, Camel, Hadoop
	".~tmp~", ".rsync-partial", // folders of rsync
}

// ignoredNames are what desktops, editors and file systems leave, and nobody means to send.
var ignoredNames = []string{
	".ds_store", "._*", ".localized", "icon\r", "__macosx", // macOS
	"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "system volume information",
	".directory", ".~lock.*#", "~$*", // KDE, LibreOffice, Office
	"*~", "#*#", ".#*", "*.swp", "*.swo", "*.swn", // editors
	".nfs*", ".fuse_hidden*", ".smbdelete*", "lost+found", "@eadir", "#recycle", // file systems and NAS
	".gitignore", ".gitkeep", ".keep", ".listing", ".message", ".htaccess", ".ftpquota",
}

// judge decides what a file is by its path below the folder that is listed. Another hidden file is unfinished: rsync,
// lftp and NiFi begin a name with a dot until the file is complete. Another hidden folder is not meant.
func (o opened) judge(file string) (unfinished, ignored bool) {
	for rest := file; rest != ""; {
		name, below, isFolder := strings.Cut(rest, "/")
		hidden := name[0] == '.'
		switch {
		case matches(o.ignored, name):
			return false, true
		case matches(unfinishedNames, name), matches(o.unfinished, name):
			return true, false
		case matches(ignoredNames, name), hidden && isFolder:
			return false, true
		case hidden:
			return true, false
		}
		rest = below
	}
	return false, false
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(strings.ToLower(pattern), strings.ToLower(name))
		return ok
	})
}
