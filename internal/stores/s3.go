package stores

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

// openS3 does not contact the server. Services that are only compatible with S3, such as Oracle's, refuse
// the checksums that newer SDKs add by default: they are sent only when S3 requires them.
func openS3(ctx context.Context, u *url.URL, s Settings) (opened, error) {
	q := u.Query()
	options := []func(*config.LoadOptions) error{
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithRegion(q.Get("region")),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(withIdleTimeout)),
	}
	if profile := q.Get("profile"); profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	if s.AccessKey != "" {
		provider := credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, "")
		options = append(options, config.WithCredentialsProvider(provider))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return opened{}, err
	}
	if cfg.Region == "" {
		return opened{}, errors.New("the region is missing; use s3://bucket?region=us-ashburn-1, or set AWS_REGION")
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if endpoint := q.Get("endpoint"); endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
		o.UsePathStyle = q.Get("endpoint") != "" && q.Get("path_style") != "false" || q.Get("path_style") == "true"
	})
	bucket, err := s3blob.OpenBucket(ctx, client, u.Host, &s3blob.Options{
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	if err != nil {
		return opened{}, err
	}
	prefix := strings.Trim(q.Get("prefix"), "/")
	if prefix != "" {
		prefix += "/"
		bucket = blob.PrefixedBucket(bucket, prefix)
	}
	b := s3Bucket{client, u.Host, prefix}
	return opened{Bucket: bucket, parts: b.parts, writer: b.writer}, nil
}
