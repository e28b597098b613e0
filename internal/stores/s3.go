package stores

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

// openS3 contacts nobody. Services that are compatible with S3 rather than S3, Oracle's among
// them, refuse the checksums that newer SDKs add unasked; they are sent where S3 requires them.
func openS3(ctx context.Context, u *url.URL, p Place) (*blob.Bucket, error) {
	q := u.Query()
	options := []func(*config.LoadOptions) error{
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithRegion(q.Get("region")),
	}
	if profile := q.Get("profile"); profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	if p.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(p.AccessKey, p.SecretKey, "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, errors.New("the region is missing; write s3://bucket?region=us-ashburn-1, or set AWS_REGION")
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if endpoint := q.Get("endpoint"); endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
		o.UsePathStyle = q.Get("endpoint") != "" && q.Get("path_style") != "false" || q.Get("path_style") == "true"
	})
	bucket, err := s3blob.OpenBucket(ctx, client, u.Host, &s3blob.Options{RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired})
	if err != nil {
		return nil, err
	}
	if prefix := strings.Trim(q.Get("prefix"), "/"); prefix != "" {
		bucket = blob.PrefixedBucket(bucket, prefix+"/")
	}
	return bucket, nil
}

const (
	// partSize is how much a bucket gets at once, in bytes. It takes 10,000 parts: files of up to 156 GiB.
	partSize = 16 << 20
	// partsAtOnce are held in memory.
	partsAtOnce = 4
	// dropTimeout is how long the parts of a file that is given up may take to be dropped.
	dropTimeout = 30 * time.Second
)

// dropParts makes the SDK drop the parts of a file that is given up. As the library sets it up
// it would ask for that under the context that has ended, and leave them in the bucket.
func dropParts(bucket *blob.Bucket, as func(any) bool) {
	var client *s3.Client
	var manager *transfermanager.Client
	if !bucket.As(&client) || !as(&manager) {
		return
	}
	*manager = *transfermanager.New(client, func(o *transfermanager.Options) {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.PartSizeBytes, o.Concurrency, o.FailTimeout = partSize, partsAtOnce, dropTimeout
	})
}
