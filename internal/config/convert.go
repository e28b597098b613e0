package config

import (
	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/version"
)

// Client is the connection for the service's client.
func (c Connection) Client() pbsm.Config {
	return pbsm.Config{
		BaseURL:           c.BaseURL,
		TokenURL:          c.TokenURL,
		TenantID:          c.TenantID,
		ServiceID:         c.ServiceID,
		WorkspaceID:       c.WorkspaceID,
		RemoteUser:        c.RemoteUser,
		Locale:            c.Locale,
		AppID:             c.AppID,
		ClientID:          c.ClientID,
		ClientSecret:      c.ClientSecret.Expose(),
		Username:          c.Username,
		Password:          c.Password.Expose(),
		CAFile:            c.CAFile,
		Insecure:          c.Insecure,
		Timeout:           c.Timeout,
		TokenScope:        c.TokenScope,
		DynamicParams:     pbsm.DynamicParamsFormat(c.DynamicParams),
		TaskLists:         pbsm.TaskLists(c.TaskLists),
		StatusTasks:       pbsm.TaskLists(c.StatusTasks),
		TaskParams:        pbsm.TaskParams(c.TaskParams),
		GroupDate:         c.GroupDate,
		UploadBody:        pbsm.UploadBody(c.UploadBody),
		ExportStatusPath:  c.ExportStatusPath,
		ImportStatusPath:  c.ImportStatusPath,
		ReportStatusBody:  pbsm.ReportStatusBody(c.ReportStatusBody),
		ReportHeaders:     pbsm.ReportHeaders(c.ReportHeaders),
		ServiceIDOnExport: c.ServiceIDOnExport,
		DeleteMethod:      c.DeleteMethod,
		ReportDefType:     c.ReportDefType,
		MaxFileSize:       c.MaxFileSize,
		ExtraHeaders:      c.ExtraHeaders,
		UserAgent:         version.UserAgent(),
	}
}

// StoreSettings are the stores for [stores.Open].
func (c *Config) StoreSettings() map[string]stores.Settings {
	settings := map[string]stores.Settings{}
	for name, store := range c.Stores {
		settings[name] = store.settings()
	}
	return settings
}

func (s Store) settings() stores.Settings {
	return stores.Settings{
		URL:           s.URL,
		AccessKey:     s.AccessKey.Expose(),
		SecretKey:     s.SecretKey.Expose(),
		KeyFile:       s.KeyFile,
		KeyPassphrase: s.KeyPassphrase.Expose(),
		Password:      s.Password.Expose(),
		KnownHosts:    s.KnownHosts,
		Fingerprint:   s.Fingerprint,
		Unfinished:    s.Unfinished,
		Ignored:       s.Ignored,
	}
}

// NotifyChannels are the channels for [notify.Open].
func (c *Config) NotifyChannels() map[string]notify.Channel {
	channels := map[string]notify.Channel{}
	for name, channel := range c.Notifications {
		channels[name] = channel.channel()
	}
	return channels
}

func (c Channel) channel() notify.Channel {
	return notify.Channel{
		Kind:        c.Kind,
		URL:         c.URL.Expose(),
		SigningKey:  c.SigningKey.Expose(),
		From:        c.From,
		To:          c.To,
		Helo:        c.Helo,
		CAFile:      c.CAFile,
		On:          c.On,
		Connections: c.Connections,
	}
}
